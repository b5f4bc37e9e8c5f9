//! DER (X.690) as far as certificates, CRLs and OCSP answers need it: read strictly, without copies
//! and without recursion, each octet once; and written.
//!
//! OpenSSL checks the signatures; what it does not hand out (critical extensions, constraints, the
//! nonce, times as instants, lists of a million entries without a million objects) is read here.
//! Only what is DER to the octet passes, so that both read the same.

pub(crate) mod certificate;

use amtsbote_domain::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OID: u8 = 0x06;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;

/// A context-specific tag of a primitive value.
pub(crate) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// A context-specific tag of a constructed value.
pub(crate) const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The octets are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One value with its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// Class, form and number in one octet.
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

/// Values one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// What is inside the one value that all octets are, which has this tag.
    pub(crate) fn only(octets: &'a [u8], tag: u8) -> Result<Self, Malformed> {
        only(octets, |outer| outer.inside(tag))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next value.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever it is.
    pub(crate) fn any(&mut self) -> Result<Value<'a>, Malformed> {
        let (&tag, after) = self.rest.split_first().ok_or(Malformed)?;
        // Tag numbers of 31 and more do not occur in what is read here.
        if tag & 0x1f == 0x1f {
            return Err(Malformed);
        }
        let (&first, after) = after.split_first().ok_or(Malformed)?;
        let (length, after) = match first {
            0..=0x7f => (usize::from(first), after),
            0x81..=0x84 => {
                let (octets, after) =
                    after.split_at_checked(usize::from(first & 0x7f)).ok_or(Malformed)?;
                let length = octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
                // X.690, 10.1: the shortest form, never more octets than needed.
                if octets[0] == 0 || length < 0x80 {
                    return Err(Malformed);
                }
                (length, after)
            }
            _ => return Err(Malformed),
        };
        let (content, after) = after.split_at_checked(length).ok_or(Malformed)?;
        let whole = &self.rest[..self.rest.len() - after.len()];
        self.rest = after;
        Ok(Value { tag, content, whole })
    }

    /// The next value, which has this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Result<Value<'a>, Malformed> {
        self.any().and_then(|value| if value.tag == tag { Ok(value) } else { Err(Malformed) })
    }

    /// The content of the next value, which has this tag.
    pub(crate) fn read(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        self.value(tag).map(|value| value.content)
    }

    /// What is inside the next value, which has this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Self, Malformed> {
        self.read(tag).map(Self::new)
    }

    /// The content of the next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Malformed> {
        match self.peek() {
            Some(next) if next == tag => self.read(tag).map(Some),
            _ => Ok(None),
        }
    }

    /// Nothing follows.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    /// A BOOLEAN if there is one: all bits or none (X.690, 11.1). DER leaves a default out;
    /// certificates that write FALSE all the same are about.
    pub(crate) fn flag(&mut self, tag: u8) -> Result<bool, Malformed> {
        match self.optional(tag)? {
            None | Some([0]) => Ok(false),
            Some([0xff]) => Ok(true),
            Some(_) => Err(Malformed),
        }
    }

    /// The content of an INTEGER in its shortest form.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], Malformed> {
        let content = self.read(INTEGER)?;
        match content {
            [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(Malformed),
            _ => Ok(content),
        }
    }

    /// A BIT STRING of whole octets.
    pub(crate) fn bit_octets(&mut self) -> Result<&'a [u8], Malformed> {
        match self.read(BIT_STRING)? {
            [0, octets @ ..] => Ok(octets),
            _ => Err(Malformed),
        }
    }

    /// A UTCTime or GeneralizedTime as RFC 5280, 4.1.2.5 writes them: to the second, with `Z`.
    pub(crate) fn time(&mut self) -> Result<Timestamp, Malformed> {
        let value = self.any()?;
        instant(value.tag, value.content)
    }

    /// A GeneralizedTime.
    pub(crate) fn generalized_time(&mut self) -> Result<Timestamp, Malformed> {
        instant(GENERALIZED_TIME, self.read(GENERALIZED_TIME)?)
    }
}

/// What is read from octets that hold nothing else.
pub(crate) fn only<'a, T>(
    octets: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut reader = Reader::new(octets);
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads the content of a time.
fn instant(tag: u8, text: &[u8]) -> Result<Timestamp, Malformed> {
    let (digits, z) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(Malformed)?;
    if z != b"Z" || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let number = |at: &[u8]| at.iter().fold(0i16, |sum, digit| sum * 10 + i16::from(digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        // RFC 5280, 4.1.2.5.1: 50 to 99 belong to the last century.
        (UTC_TIME, 12) => match number(&digits[..2]) {
            year @ 50.. => (1900 + year, &digits[2..]),
            year => (2000 + year, &digits[2..]),
        },
        (GENERALIZED_TIME, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return Err(Malformed),
    };
    let pair = |n: usize| number(&rest[2 * n..2 * n + 2]) as i8;
    let date = Date::new(year, pair(0), pair(1)).map_err(|_| Malformed)?;
    let time = Time::new(pair(2), pair(3), pair(4), 0).map_err(|_| Malformed)?;
    let zoned = TimeZone::UTC.to_timestamp(DateTime::from_parts(date, time));
    zoned.map_err(|_| Malformed)
}

/// A value of these parts.
pub(crate) fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut octets = Vec::with_capacity(length + 6);
    octets.push(tag);
    if length < 0x80 {
        octets.push(length as u8);
    } else {
        let digits = length.to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        octets.push(0x80 | (digits.len() - zeros) as u8);
        octets.extend_from_slice(&digits[zeros..]);
    }
    parts.iter().for_each(|part| octets.extend_from_slice(part));
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_order() {
        let inner = [&value(INTEGER, &[&[7]])[..], &[primitive(2), 0]].concat();
        let first = value(SEQUENCE, &[&inner]);
        let octets = [&first[..], &[BOOLEAN, 0]].concat();
        let mut reader = Reader::new(&octets);
        let mut inside = reader.inside(SEQUENCE).expect("a sequence");
        assert_eq!(inside.read(INTEGER), Ok(&[7][..]));
        assert_eq!(inside.optional(BOOLEAN), Ok(None));
        assert_eq!(inside.any().expect("empty").whole, [primitive(2), 0]);
        assert!(inside.is_empty() && inside.end().is_ok() && inside.any().is_err());
        assert!(reader.end().is_err() && reader.read(INTEGER).is_err());
        assert!(Reader::only(&first, SEQUENCE).is_ok());
        assert!(Reader::only(&octets, SEQUENCE).is_err() && Reader::only(&first, OID).is_err());
    }

    #[test]
    fn flags_are_all_bits_or_none() {
        let flag = |octets: &[u8]| Reader::new(octets).flag(BOOLEAN);
        assert_eq!(flag(&[BOOLEAN, 1, 0xff]), Ok(true));
        assert_eq!(
            (flag(&[BOOLEAN, 1, 0]), flag(&[]), flag(&[NULL, 0])),
            (Ok(false), Ok(false), Ok(false))
        );
        for bad in [&[BOOLEAN, 1, 1][..], &[BOOLEAN, 0], &[BOOLEAN, 2, 0xff, 0xff], &[BOOLEAN]] {
            assert_eq!(flag(bad), Err(Malformed), "{bad:02x?}");
        }
    }

    #[test]
    fn lengths_are_written_and_read_in_the_shortest_form() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let content = vec![7; length];
            let octets = value(OCTET_STRING, &[&content[..length / 2], &content[length / 2..]]);
            let mut reader = Reader::new(&octets);
            assert_eq!(reader.read(OCTET_STRING), Ok(&content[..]), "{length}");
            assert!(reader.is_empty());
        }
        for bad in [
            &b"\x04\x81\x01a"[..],
            b"\x04\x82\x00\x81",
            b"\x04\x80a\0\0",
            b"\x04\x81\x01\0",
            b"\x04\x84\0\0\0\x01\0",
            b"\x04\x84\xff\xff\xff\xffa",
            b"\x04\x85\0\0\0\0\x01a",
            b"\x04\xff",
            b"\x04\x02a",
            b"\x04",
            b"",
            b"\x1f\x01\x00",
        ] {
            assert!(Reader::new(bad).any().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_instants() {
        let read = |tag, text: &str| Reader::new(&value(tag, &[text.as_bytes()])).time();
        let at = |text: &str| Ok(text.parse::<Timestamp>().expect("an instant"));
        assert_eq!(read(UTC_TIME, "491231235959Z"), at("2049-12-31T23:59:59Z"));
        assert_eq!(read(UTC_TIME, "500101000000Z"), at("1950-01-01T00:00:00Z"));
        assert_eq!(read(GENERALIZED_TIME, "20500228120000Z"), at("2050-02-28T12:00:00Z"));
        for (tag, bad) in [
            (UTC_TIME, "4912312359Z"),
            (UTC_TIME, "491231235959"),
            (UTC_TIME, "491331235959Z"),
            (UTC_TIME, "4912312359-9Z"),
            (UTC_TIME, "491231236059Z"),
            (GENERALIZED_TIME, "20500230120000Z"),
            (GENERALIZED_TIME, "20500228120000.5Z"),
            (OCTET_STRING, "20500228120000Z"),
            (UTC_TIME, ""),
        ] {
            assert_eq!(read(tag, bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn integers_are_short() {
        let integer = |content: &[u8]| Reader::new(&value(INTEGER, &[content])).integer().is_ok();
        assert!(integer(&[0]) && integer(&[0, 0x80]) && integer(&[0xff]) && integer(&[0xff, 0x7f]));
        assert!(
            !integer(&[]) && !integer(&[0, 0]) && !integer(&[0, 0x7f]) && !integer(&[0xff, 0x80])
        );
    }

    /// One in 4,099 of all strings of four octets: every octet occurs at every place.
    #[test]
    fn nothing_makes_it_stumble() {
        for n in (0..=u32::MAX).step_by(4_099) {
            let octets = n.to_be_bytes();
            let mut reader = Reader::new(&octets);
            let mut read = 0;
            while let Ok(value) = reader.any() {
                read += value.whole.len();
                assert!(value.content.len() < value.whole.len());
            }
            assert!(read <= octets.len());
        }
    }
}
