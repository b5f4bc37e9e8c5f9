//! Keys that wrap other keys at rest: whose they are, for which period, and the port to the place
//! where they lie.
//!
//! The data key of a message is wrapped by the key of its tenant and period, that one by the
//! master key. Both lie in the key store, never in a database: a database, and every backup of
//! it, holds wrapped data keys and the [`KeyId`] that each needs, nothing that opens them. Content
//! is gone for good when the key of its tenant and period is destroyed.

use std::fmt;

use jiff::Timestamp;

use crate::evidence::Accepted;
use crate::party::PartyId;
use crate::text::Language;

/// On whose behalf the hub holds what it holds: whose content is erased together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(String);

impl Tenant {
    /// The tenant of everything that was accepted before there were tenants. No party has this
    /// name: that of a party has a colon.
    const SHARED: &'static str = "shared";

    /// That of the years in which all had one key.
    pub fn shared() -> Self {
        Self(Self::SHARED.to_owned())
    }

    /// A party.
    pub fn party(party: &PartyId) -> Self {
        Self(party.as_str().to_owned())
    }

    /// The tenant of a message: the Reader, where it is collected here; the Author, where it goes
    /// on to another hub. That is the side that this hub serves, and the controller that may
    /// demand erasure of us; the other side has its own hub, or its own copy. Both are parties of
    /// the directory, so there are no more tenants than parties.
    pub fn of(record: &Accepted) -> Self {
        let onwards = record.channel.starts_with("peer:");
        Self::party(if onwards { &record.metadata.author } else { &record.metadata.reader })
    }

    /// A party's name, or `shared`.
    pub fn parse(text: &str) -> Option<Self> {
        let known = text == Self::SHARED || PartyId::parse(text).is_ok();
        known.then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A calendar month, UTC: `2026-11`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(String);

impl Period {
    /// The one in which an instant lies.
    pub fn of(at: Timestamp) -> Self {
        Self(at.strftime("%Y-%m").to_string())
    }

    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits = |part: &str, count| {
            part.len() == count && part.bytes().all(|digit| digit.is_ascii_digit())
        };
        let right = digits(year, 4)
            && digits(month, 2)
            && month.parse().is_ok_and(|month: u8| (1..=12).contains(&month));
        right.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one wrapping key for ever: `ags:05766044/2026-11/1-8c0f3a5b9d21e476` is the first key of
/// that tenant in that month. The end is made of the key itself, so that no other key can ever
/// stand in its place unnoticed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId {
    tenant: Tenant,
    period: Period,
    generation: u16,
    fingerprint: [u8; KeyId::FINGERPRINT_BYTES],
}

impl KeyId {
    /// Octets of a key's fingerprint.
    pub const FINGERPRINT_BYTES: usize = 8;

    /// Puts one together.
    pub fn new(
        tenant: Tenant,
        period: Period,
        generation: u16,
        fingerprint: [u8; Self::FINGERPRINT_BYTES],
    ) -> Self {
        Self { tenant, period, generation, fingerprint }
    }

    /// Reads what [`Display`](fmt::Display) wrote, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        // From the end: a party's name may hold a slash.
        let mut parts = text.rsplitn(3, '/');
        let (name, period, tenant) = (parts.next()?, parts.next()?, parts.next()?);
        let (generation, hex) = name.split_once('-')?;
        let mut fingerprint = [0; Self::FINGERPRINT_BYTES];
        if hex.len() != 2 * Self::FINGERPRINT_BYTES {
            return None;
        }
        for (n, octet) in fingerprint.iter_mut().enumerate() {
            *octet = u8::from_str_radix(hex.get(2 * n..2 * n + 2)?, 16).ok()?;
        }
        let id = Self {
            tenant: Tenant::parse(tenant)?,
            period: Period::parse(period)?,
            generation: generation.parse().ok()?,
            fingerprint,
        };
        // One name, one spelling.
        (id.to_string() == text).then_some(id)
    }

    /// Whose.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// For which month.
    pub fn period(&self) -> &Period {
        &self.period
    }

    /// The how manieth of its tenant and period, from 1: the last one made is in use.
    pub fn generation(&self) -> u16 {
        self.generation
    }

    /// What tells the key itself from others.
    pub fn fingerprint(&self) -> &[u8; Self::FINGERPRINT_BYTES] {
        &self.fingerprint
    }

    /// What stands behind the last slash.
    pub fn name(&self) -> String {
        let hex: String = self.fingerprint.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("{}-{hex}", self.generation)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.period, self.name())
    }
}

/// Why a wrapping key is of no use. Never holds anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is not there, and nothing says that it was destroyed.
    #[error("the key {0} is missing in the key store")]
    Missing(KeyId),
    /// It was destroyed on purpose: what it wrapped is erased.
    #[error("the key {0} was destroyed")]
    Destroyed(KeyId),
    /// It is wrapped under a master key that the key store does not have.
    #[error("the key {0} is wrapped under another master key")]
    OtherMaster(KeyId),
    /// Its file is torn, was changed, or lies in the place of another.
    #[error("the file of the key {0} is damaged or lies in the wrong place")]
    Damaged(KeyId),
    /// Others than the owner of the key store may read its file, or own it.
    #[error("the file of the key {0} is open to others")]
    OpenToOthers(KeyId),
    /// What was to be taken over does not open under the master key.
    #[error("a key of an older store does not open under the master key")]
    NotOurs,
    /// What was to be unwrapped was not wrapped under this key, or not in this context.
    #[error("a wrapped key was changed, or belongs elsewhere")]
    Changed,
    /// No room to make a key durable.
    #[error("there is no room in the key store")]
    Full,
    /// The key store or the cipher does not work.
    #[error("the key store: {0}")]
    Unavailable(String),
}

impl KeyError {
    /// The text for people, as part of a sentence.
    pub fn text(&self, language: Language) -> String {
        if language == Language::En {
            return self.to_string();
        }
        match self {
            Self::Missing(id) => format!("der Schlüssel {id} fehlt im Schlüsselspeicher"),
            Self::Destroyed(id) => format!("der Schlüssel {id} wurde vernichtet"),
            Self::OtherMaster(id) => {
                format!("der Schlüssel {id} liegt unter einem anderen Hauptschlüssel")
            }
            Self::Damaged(id) => {
                format!("die Datei des Schlüssels {id} ist beschädigt oder liegt am falschen Ort")
            }
            Self::OpenToOthers(id) => {
                format!("die Datei des Schlüssels {id} ist für andere zugänglich")
            }
            Self::NotOurs => "ein Schlüssel eines älteren Speichers lässt sich mit dem \
                              Hauptschlüssel nicht öffnen"
                .to_owned(),
            Self::Changed => {
                "ein umhüllter Schlüssel ist verändert oder gehört an eine andere Stelle".to_owned()
            }
            Self::Full => "im Schlüsselspeicher ist kein Platz".to_owned(),
            Self::Unavailable(why) => format!("der Schlüsselspeicher: {why}"),
        }
    }
}

/// The keys of tenants and periods, where they lie. Keys do not leave: data keys go in and out.
///
/// What [`wrap`](Self::wrap) and [`adopt`](Self::adopt) name is durable when they return: a power
/// cut after it does not take the key away. All methods may read and write files.
pub trait WrappingKeys: Send + Sync + 'static {
    /// Wraps a data key, bound to `context`, under the newest key of the tenant for the period in
    /// which `at` lies. The first time in a period that key is made.
    fn wrap(
        &self,
        tenant: &Tenant,
        at: Timestamp,
        context: &[u8],
        key: &[u8; 32],
    ) -> Result<(KeyId, Vec<u8>), KeyError>;

    /// Unwraps a data key into `key`.
    fn unwrap(
        &self,
        id: &KeyId,
        context: &[u8],
        wrapped: &[u8],
        key: &mut [u8; 32],
    ) -> Result<(), KeyError>;

    /// Whether the key is there, whole, and opens under the master key.
    fn check(&self, id: &KeyId) -> Result<(), KeyError>;

    /// Takes over a key that a store of the first schema kept itself, wrapped under the master key
    /// and bound to the text of its period. The same key again gets the same id.
    fn adopt(&self, period: &Period, wrapped: &[u8]) -> Result<KeyId, KeyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_in_no_other_way() {
        let tenant = Tenant::parse("ags:05766044").expect("a party");
        let at: Timestamp = "2026-11-30T23:59:59Z".parse().expect("an instant");
        let id = KeyId::new(tenant, Period::of(at), 12, [0, 1, 2, 3, 4, 5, 6, 0xff]);
        let text = id.to_string();
        assert_eq!(text, "ags:05766044/2026-11/12-00010203040506ff");
        assert_eq!(KeyId::parse(&text).as_ref(), Some(&id));
        let slash = KeyId { tenant: Tenant("a:b/c".to_owned()), ..id };
        assert_eq!(KeyId::parse(&slash.to_string()), Some(slash));
        for bad in [
            "",
            "ags:05766044",
            "ags/2026-11/1-0001020304050607",
            "shared/2026-13/1-0001020304050607",
            "shared/2026-1/1-0001020304050607",
            "shared/2026-11/01-0001020304050607",
            "shared/2026-11/+1-0001020304050607",
            "shared/2026-11/1-00010203040506FF",
            "shared/2026-11/1-000102030405060",
            "shared/2026-11/1-00010203040506é",
            "shared/2026-11/70000-0001020304050607",
        ] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
        assert!(KeyId::parse("shared/2026-11/1-0001020304050607").is_some());
    }
}
