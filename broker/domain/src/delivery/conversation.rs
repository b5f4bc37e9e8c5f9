//! Order within a conversation: what belongs together goes one after the other.
//!
//! The store keeps the promise, by a constraint on what is leased; here is what it must keep.

use std::collections::BTreeSet;

use crate::identity::ServiceUri;
use crate::message::Metadata;
use crate::party::PartyId;

/// What belongs together: everything that one Author sends one Reader for one service; tests are a
/// conversation of their own, so that none holds back what is meant (P11).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation {
    author: PartyId,
    reader: PartyId,
    service: ServiceUri,
    test: bool,
}

impl Conversation {
    /// The one that a message is part of; whether it is a test its content may say as well.
    pub fn of(metadata: &Metadata, test: bool) -> Self {
        Self {
            test,
            author: metadata.author.clone(),
            reader: metadata.reader.clone(),
            service: metadata.service.clone(),
        }
    }

    /// As one text, for a constraint; no two conversations have the same one, for no part of it
    /// holds a space.
    pub fn key(&self) -> String {
        let test = if self.test { " test" } else { "" };
        format!("{} {} {}{test}", self.author, self.reader, self.service)
    }
}

/// A delivery that has not ended, in the order of acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<T> {
    /// Which.
    pub id: T,
    /// What it must stay in order with; none where no order is asked for.
    pub conversation: Option<Conversation>,
    /// It could go now: it waits for the hub's turn, is due, and nobody has it.
    pub ready: bool,
}

/// Of deliveries that have not ended, in the order of acceptance, up to `room` that may go at the
/// same time: of each conversation the first one alone, and none while that is not ready. So what is
/// in clearing or waits for another attempt holds back what came after it.
pub fn may_go<T>(candidates: Vec<Candidate<T>>, room: usize) -> Vec<T> {
    let mut seen = BTreeSet::new();
    let first = |candidate: &Candidate<T>| match &candidate.conversation {
        Some(conversation) => seen.insert(conversation.clone()) && candidate.ready,
        None => candidate.ready,
    };
    candidates.into_iter().filter(first).map(|candidate| candidate.id).take(room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conversation(number: u8) -> Conversation {
        Conversation {
            author: PartyId::parse("ags:05766044").expect("a party"),
            reader: PartyId::parse(&format!("ags:{number}")).expect("a party"),
            service: ServiceUri::parse("urn:example:register").expect("a service"),
            test: false,
        }
    }

    #[test]
    fn a_test_is_no_part_of_what_is_meant() {
        let meant = conversation(1);
        let test = Conversation { test: true, ..meant.clone() };
        assert_ne!(meant.key(), test.key());
        assert!(!meant.key().ends_with("test"), "the key of what is stored already stays");
    }

    fn candidates(list: &[(Option<u8>, bool)]) -> Vec<Candidate<usize>> {
        let candidate = |(id, (number, ready)): (usize, &(Option<u8>, bool))| Candidate {
            id,
            conversation: number.map(conversation),
            ready: *ready,
        };
        list.iter().enumerate().map(candidate).collect()
    }

    #[test]
    fn only_the_first_of_a_conversation_goes() {
        let list = [
            (Some(1), false),
            (Some(1), true),
            (Some(2), true),
            (Some(2), true),
            (None, true),
            (None, false),
            (None, true),
        ];
        assert_eq!(may_go(candidates(&list), 10), [2, 4, 6]);
        assert_eq!(may_go(candidates(&list), 2), [2, 4]);
        assert_eq!(conversation(1).key(), "ags:05766044 ags:1 urn:example:register");
    }

    proptest! {
        #[test]
        fn what_goes_was_first_and_ready(
            list in prop::collection::vec((prop::option::of(0u8..4), any::<bool>()), 0..40),
            room in 0usize..40,
        ) {
            let went = may_go(candidates(&list), room);
            prop_assert!(went.len() <= room);
            for n in &went {
                let (own, ready) = list[*n];
                prop_assert!(ready);
                prop_assert!(own.is_none() || !list[..*n].iter().any(|(other, _)| *other == own));
            }
        }
    }
}
