//! The name of a log: `amtsbote/<node>/<epoch>`.
//!
//! A log lives for one epoch. After a restore from a backup the hub cannot know what it had already
//! released, so it never goes on with the restored log: it opens the next epoch, a new log with a
//! new origin and index 0. The first record of every epoch but the first names the last head known
//! of the one before (the whole signed note), so lost leaves are reported, never renumbered. Old
//! heads and receipts stay verifiable with the verifier key of their epoch; the Ed25519 key may be
//! the same ([`LogKey::for_origin`](crate::note::LogKey::for_origin)), its name and id never are.

use std::fmt;

/// Longest name of a node, in characters.
pub const MAX_NODE: usize = 64;

/// A log's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    node: String,
    epoch: u32,
}

/// A text that names no log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a log is named amtsbote/<node>/<epoch>: node of 1 to {MAX_NODE} small letters, digits, dots \
     and hyphens, epoch from 1"
)]
pub struct NotAnOrigin;

impl Origin {
    /// A log of a node; epochs count from 1.
    pub fn new(node: &str, epoch: u32) -> Result<Self, NotAnOrigin> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-".contains(&c);
        if node.is_empty() || node.len() > MAX_NODE || !node.bytes().all(plain) || epoch == 0 {
            return Err(NotAnOrigin);
        }
        Ok(Self { node: node.to_owned(), epoch })
    }

    /// Reads `amtsbote/<node>/<epoch>`; only the one spelling.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let rest = text.strip_prefix("amtsbote/").ok_or(NotAnOrigin)?;
        let (node, epoch) = rest.split_once('/').ok_or(NotAnOrigin)?;
        let origin = Self::new(node, epoch.parse().map_err(|_| NotAnOrigin)?)?;
        // `+1` and `01` are numbers too, but not the same text.
        if origin.to_string() == text { Ok(origin) } else { Err(NotAnOrigin) }
    }

    /// The node.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The epoch, from 1.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The log that follows a restore; none after epoch 4,294,967,295.
    pub fn next_epoch(&self) -> Option<Self> {
        Some(Self { node: self.node.clone(), epoch: self.epoch.checked_add(1)? })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "amtsbote/{}/{}", self.node, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn read_written_and_followed() {
        let first = Origin::parse("amtsbote/hub-1.krz/1").expect("origin");
        assert_eq!((first.node(), first.epoch()), ("hub-1.krz", 1));
        assert_eq!(first.next_epoch().expect("next").to_string(), "amtsbote/hub-1.krz/2");
        assert_eq!(Origin::new("h", u32::MAX).expect("last").next_epoch(), None);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "amtsbote/",
            "amtsbote//1",
            "amtsbote/h/0",
            "amtsbote/h/01",
            "amtsbote/h/+1",
            "amtsbote/h/1/",
            "amtsbote/h/x",
            "amtsbote/H/1",
            "amtsbote/h h/1",
            "amtsbote/h/4294967296",
            "other/h/1",
        ] {
            assert_eq!(Origin::parse(text), Err(NotAnOrigin), "{text:?}");
        }
        assert_eq!(Origin::new(&"h".repeat(65), 1), Err(NotAnOrigin));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(amtsbote/)?.{0,80}") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(origin.to_string(), text);
            }
        }
    }
}
