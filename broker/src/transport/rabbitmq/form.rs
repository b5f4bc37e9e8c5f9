//! The written form of a hint: `{"log":"amtsbote/rz/1","node":"…","look":"inbox","party":"ags:…"}`.
//!
//! Whoever may write to the exchange can make one up. It is read with that in mind: bounded, and all
//! it can do is make a node look.

use amtsbote_domain::party::PartyId;
use amtsbote_domain::ports::Hint;
use serde::{Deserialize, Serialize};

/// Octets of a hint; a longer one is none.
pub(super) const MAX_BYTES: usize = 1_024;

const WORK: &str = "work";
const INBOX: &str = "inbox";
const EVERYTHING: &str = "everything";

/// Who we are.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// The name of the log, which has its epoch in it: nodes of one store write the same.
    pub(super) log: String,
    /// This run of this node.
    pub(super) node: String,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A hint of another node.
    Hint(Hint),
    /// One of ours: it was heard when it was told.
    Own,
    /// No hint for us.
    Nothing,
}

/// Fields that a later version adds are passed over.
#[derive(Serialize, Deserialize)]
struct Written {
    log: String,
    node: String,
    look: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    party: Option<String>,
}

/// Writes a hint.
pub(super) fn write(own: &Own, hint: &Hint) -> Vec<u8> {
    let (look, party) = match hint {
        Hint::Work => (WORK, None),
        Hint::Inbox(reader) => (INBOX, Some(reader.to_string())),
        Hint::Everything => (EVERYTHING, None),
    };
    let written =
        Written { log: own.log.clone(), node: own.node.clone(), look: look.to_owned(), party };
    serde_json::to_vec(&written).expect("four texts can be written")
}

/// Reads what came.
pub(super) fn read(own: &Own, octets: &[u8]) -> Came {
    if octets.len() > MAX_BYTES {
        return Came::Nothing;
    }
    let Ok(written) = serde_json::from_slice::<Written>(octets) else { return Came::Nothing };
    if written.log != own.log {
        return Came::Nothing;
    }
    if written.node == own.node {
        return Came::Own;
    }
    match (written.look.as_str(), written.party.as_deref().map(PartyId::parse)) {
        (WORK, _) => Came::Hint(Hint::Work),
        (INBOX, Some(Ok(reader))) => Came::Hint(Hint::Inbox(reader)),
        (EVERYTHING, _) => Came::Hint(Hint::Everything),
        _ => Came::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn node(log: &str, node: &str) -> Own {
        Own { log: log.to_owned(), node: node.to_owned() }
    }

    fn reader() -> PartyId {
        PartyId::parse(&format!("ags:{}", "\"".repeat(251))).expect("a party")
    }

    #[test]
    fn what_one_node_writes_another_reads() {
        let (a, b) = (node("amtsbote/rz/1", "a"), node("amtsbote/rz/1", "b"));
        for hint in [Hint::Work, Hint::Inbox(reader()), Hint::Everything] {
            let octets = write(&a, &hint);
            assert!(octets.len() <= MAX_BYTES, "{hint:?}: {}", octets.len());
            assert_eq!(read(&b, &octets), Came::Hint(hint));
            assert_eq!(read(&a, &octets), Came::Own);
            for other in ["amtsbote/rz/2", "amtsbote/kdn/1"] {
                assert_eq!(read(&node(other, "c"), &octets), Came::Nothing);
            }
        }
    }

    #[test]
    fn the_form_is_kept() {
        let octets = write(&node("amtsbote/rz/1", "a"), &Hint::Work);
        let text = r#"{"log":"amtsbote/rz/1","node":"a","look":"work"}"#;
        assert_eq!(String::from_utf8(octets).expect("text"), text);
    }

    #[test]
    fn what_is_no_hint_is_nothing() {
        let own = node("l", "b");
        let later = br#"{"log":"l","node":"a","look":"work","since":3}"#;
        assert_eq!(read(&own, later), Came::Hint(Hint::Work));
        let mut large = later.to_vec();
        large.resize(MAX_BYTES, b' ');
        assert_eq!(read(&own, &large), Came::Hint(Hint::Work));
        large.push(b' ');
        let made_up: [&[u8]; 6] = [
            &large,
            b"",
            b"\xff\xfe",
            br#"{"log":"l","node":"a","look":"elsewhere"}"#,
            br#"{"log":"l","node":"a","look":"inbox"}"#,
            br#"{"log":"l","node":"a","look":"inbox","party":"none"}"#,
        ];
        for octets in made_up {
            assert_eq!(read(&own, octets), Came::Nothing, "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets in proptest::collection::vec(any::<u8>(), 0..2_048)) {
            prop_assert_eq!(read(&node("l", "b"), &octets), Came::Nothing);
        }
    }
}
