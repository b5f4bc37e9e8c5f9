//! SHA-256 values of the tree, and the base64 text all 32-octet values share.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A SHA-256 value of the tree: a leaf hash, a node or a root. Base64 (44 characters) in text and
/// JSON, hexadecimal in `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(pub [u8; 32]);

/// A text that is not the base64 of 32 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is written as the base64 of 32 octets (44 characters)")]
pub struct NotAHash;

impl Hash {
    /// Reads base64 (RFC 4648 section 4, padded). Only the one canonical spelling is taken.
    pub fn parse(text: &str) -> Result<Self, NotAHash> {
        decode_32(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl TryFrom<String> for Hash {
    type Error = NotAHash;
    fn try_from(text: String) -> Result<Self, NotAHash> {
        Self::parse(&text)
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

/// 32 octets from their base64. The length is looked at first, so long texts cost nothing.
pub(crate) fn decode_32(text: &str) -> Result<[u8; 32], NotAHash> {
    if text.len() != 44 {
        return Err(NotAHash);
    }
    let octets = STANDARD.decode(text).map_err(|_| NotAHash)?;
    octets.try_into().map_err(|_| NotAHash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn debug_is_hexadecimal() {
        assert!(format!("{:?}", Hash([0xab; 32])).starts_with("abab"));
    }

    #[test]
    fn a_second_spelling_is_refused() {
        let good = Hash([0; 32]).to_string();
        assert!(good.ends_with("A="));
        let stray_bits = format!("{}B=", &good[..42]);
        assert_eq!(Hash::parse(&stray_bits), Err(NotAHash));
        assert_eq!(Hash::parse(good.trim_end_matches('=')), Err(NotAHash));
    }

    proptest! {
        #[test]
        fn text_and_value_agree(value: [u8; 32]) {
            prop_assert_eq!(Hash::parse(&Hash(value).to_string()), Ok(Hash(value)));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,60}") {
            if let Ok(hash) = Hash::parse(&text) {
                prop_assert_eq!(hash.to_string(), text);
            }
        }
    }
}
