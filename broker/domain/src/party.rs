//! Who: authorities by their key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The key of an authority as the DVDV knows it: `prefix:key` (Kennung), e.g. `ags:05766044`.
///
/// Prefixes come from the code list `DVDV.Praefixe`. They are case-sensitive UTF-8: `MELDID` and
/// `töj` are real ones, so there is no pattern of three small letters to check against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartyId(String);

/// A text that is no [`PartyId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a party is written prefix:key, e.g. ags:05766044 (at most {} bytes)", PartyId::MAX_BYTES)]
pub struct NotAParty;

impl PartyId {
    /// Longest key in bytes of UTF-8, prefix and colon included.
    pub const MAX_BYTES: usize = 255;

    /// Reads `prefix:key`. Neither half may be empty or hold white space, control characters, or
    /// `*` (which stands for "any" in permissions); the key may hold further colons.
    pub fn parse(text: &str) -> Result<Self, NotAParty> {
        let (prefix, key) = text.split_once(':').ok_or(NotAParty)?;
        let clean = |part: &str| {
            !part.is_empty()
                && !part.chars().any(|c| c.is_whitespace() || c.is_control() || c == '*')
        };
        if text.len() > Self::MAX_BYTES || !clean(prefix) || !clean(key) {
            return Err(NotAParty);
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole, `prefix:key`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon.
    pub fn prefix(&self) -> &str {
        self.0.split_once(':').map_or("", |(prefix, _)| prefix)
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PartyId {
    type Err = NotAParty;
    fn from_str(text: &str) -> Result<Self, NotAParty> {
        Self::parse(text)
    }
}

impl TryFrom<String> for PartyId {
    type Error = NotAParty;
    fn try_from(text: String) -> Result<Self, NotAParty> {
        Self::parse(&text)
    }
}

impl From<PartyId> for String {
    fn from(party: PartyId) -> Self {
        party.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_prefixes_parse() {
        for text in ["ags:05766044", "MELDID:4711", "töj:a:b", "dbs:010510000000"] {
            assert_eq!(PartyId::parse(text).expect(text).as_str(), text);
        }
        assert_eq!(PartyId::parse("töj:a:b").expect("parses").prefix(), "töj");
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("ags:{}", "0".repeat(PartyId::MAX_BYTES));
        for text in ["", "ags", ":1", "ags:", "ags:1 2", "a gs:1", "ags:*", "ags:\u{1}", &long] {
            assert_eq!(PartyId::parse(text), Err(NotAParty), "{text:?}");
        }
    }
}
