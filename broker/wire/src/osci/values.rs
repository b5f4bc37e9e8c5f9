//! Values that occur in many places: ids, numbers, times, words from a list.

use amtsbote_domain::Timestamp;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

use super::element::Element;
use super::limits::Limits;
use super::refusal::Refusal;

/// The id of a delivery (`MessageIdType`): any octets, on the wire as Base64. Intermediaries use the
/// UTF-8 of a text; which one is their choice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(Vec<u8>);

impl MessageId {
    /// Most octets.
    pub const MAX_OCTETS: usize = 1024;

    /// An id of 1 to [`MessageId::MAX_OCTETS`] octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Option<Self> {
        let octets = octets.into();
        (1..=Self::MAX_OCTETS).contains(&octets.len()).then_some(Self(octets))
    }

    /// Its octets, not those of the Base64.
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }

    /// As text, where it is one.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    pub(super) fn read(element: &Element) -> Result<Self, Refusal> {
        let octets = element.base64("MessageId", Self::MAX_OCTETS)?;
        Self::new(octets).ok_or_else(|| element.refusal("MessageId", "is not empty"))
    }
}

/// A decimal number without sign.
pub(super) fn whole_number(text: &str) -> Option<u64> {
    let text = text.trim_matches(super::element::is_space);
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A time as it was written (`xsd:dateTime`). Kept as text, for it may lack an offset, and what
/// another party stated is not to change on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DateTime(String);

impl DateTime {
    /// Most characters.
    const MAX_CHARS: usize = 64;

    /// A time of the years 0001 to 9999 with hours 00 to 23, with an offset or without.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(super::element::is_space);
        let time = Self(text.to_owned());
        (text.len() <= Self::MAX_CHARS && text.is_ascii())
            .then(|| time.parts())
            .flatten()
            .map(|_| time)
    }

    /// The same for an instant, in UTC; none outside of the years 0001 to 9999.
    pub fn of(at: Timestamp) -> Option<Self> {
        Self::parse(&at.to_string())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant; `local` is where a time without an offset is meant.
    pub fn instant(&self, local: &TimeZone) -> Option<Timestamp> {
        let (time, offset) = self.parts()?;
        let zone = offset.map_or_else(|| local.clone(), TimeZone::fixed);
        time.to_zoned(zone).ok().map(|zoned| zoned.timestamp())
    }

    fn parts(&self) -> Option<(civil::DateTime, Option<Offset>)> {
        let (whole, rest) = self.0.split_at_checked(19)?;
        let shape = whole.bytes().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            _ => byte == *shape,
        });
        // A 60th second would be taken for the 59th.
        if !shape || &whole[..4] == "0000" || &whole[17..] > "59" {
            return None;
        }
        let digits = rest
            .strip_prefix('.')
            .map_or(0, |fraction| 1 + fraction.bytes().take_while(u8::is_ascii_digit).count());
        if digits == 1 {
            return None;
        }
        let (fraction, zone) = rest.split_at(digits);
        // More than nanoseconds nobody measures.
        let time: civil::DateTime =
            format!("{whole}{}", &fraction[..fraction.len().min(10)]).parse().ok()?;
        Some((time, offset(zone)?))
    }
}

/// `Z`, `+hh:mm`, `-hh:mm`, or nothing.
fn offset(text: &str) -> Option<Option<Offset>> {
    let sign = match text.as_bytes() {
        [] => return Some(None),
        [b'Z'] => return Some(Some(Offset::UTC)),
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let hours = whole_number(text.get(1..3)?)?;
    let minutes = whole_number(text.get(4..6)?)?;
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return None;
    }
    let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
    Offset::from_seconds(sign * seconds).ok().map(Some)
}

/// A language (`xsd:language`), e.g. `de`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Language(String);

impl Language {
    /// Most characters.
    const MAX_CHARS: usize = 64;

    /// Letters, then groups of letters and digits, each 1 to 8 and parted by hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let mut groups = text.split('-');
        let sized = |group: &str| (1..=8).contains(&group.len());
        let first = groups.next()?;
        let fits = text.len() <= Self::MAX_CHARS
            && sized(first)
            && first.bytes().all(|byte| byte.is_ascii_alphabetic())
            && groups.all(|g| sized(g) && g.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        fits.then(|| Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The subject of a delivery; any text, and it travels in clear.
pub(super) fn subject(
    element: Option<Element>,
    limits: &Limits,
) -> Result<Option<String>, Refusal> {
    element.map(|element| element.string("Subject", limits.value_bytes)).transpose()
}

/// An enumeration of the schema: a word for each variant.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in the schema.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What the word means.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }
    };
}
pub(super) use words;
