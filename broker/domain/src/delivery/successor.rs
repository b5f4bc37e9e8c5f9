//! Authorities that others have taken the place of: merged towns, renamed offices.
//!
//! Who writes to the old key reaches the new one from a date on, with a note. One line follows
//! another up to a bound; a circle is refused when the table is read.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::party::PartyId;

/// Most lines that are followed from one key to the one that counts.
pub const MAX_CHAIN: usize = 8;
/// Most lines in a table.
pub const MAX_SUCCESSORS: usize = 10_000;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Where it stands, e.g. `delivery.toml:1`.
    pub name: String,
    /// The key that was.
    pub old: PartyId,
    /// The key that is.
    pub new: PartyId,
    /// Since when.
    pub from: Timestamp,
    /// Why, for people.
    pub note: String,
}

/// A table that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSuccessors {
    /// Two lines for one key.
    #[error("{0} has two successors")]
    Twice(PartyId),
    /// A key that leads back to itself.
    #[error("the successors of {0} lead in a circle")]
    Circle(PartyId),
    /// Too many lines after each other.
    #[error("the successors of {0} are more than {MAX_CHAIN} lines")]
    TooLong(PartyId),
    /// Too many lines.
    #[error("at most {MAX_SUCCESSORS} successors")]
    TooMany,
}

/// The whole table.
#[derive(Clone, Debug, Default)]
pub struct Successors(BTreeMap<PartyId, Successor>);

/// Who reads what was written to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached<'s> {
    /// The key that counts.
    pub reader: &'s PartyId,
    /// The lines that lead there, in their order; none where the key itself counts.
    pub by: Vec<&'s Successor>,
}

impl Successors {
    /// Puts it together and finds what leads nowhere. Circles and lengths are judged as if every
    /// line were in force: a table must not become wrong with time.
    pub fn new(lines: Vec<Successor>) -> Result<Self, BadSuccessors> {
        if lines.len() > MAX_SUCCESSORS {
            return Err(BadSuccessors::TooMany);
        }
        let mut table = BTreeMap::new();
        for line in lines {
            if let Some(line) = table.insert(line.old.clone(), line) {
                return Err(BadSuccessors::Twice(line.old));
            }
        }
        for old in table.keys() {
            let mut at: &PartyId = old;
            let mut steps = 0;
            while let Some(line) = table.get(at) {
                at = &line.new;
                steps += 1;
                if at == old {
                    return Err(BadSuccessors::Circle(old.clone()));
                }
                // A circle further on that does not come back here is found from there, or here.
                if steps > MAX_CHAIN {
                    return Err(BadSuccessors::TooLong(old.clone()));
                }
            }
        }
        Ok(Self(table))
    }

    /// Who reads at `at` what was written to `party`.
    pub fn reader_at<'s>(&'s self, party: &'s PartyId, at: Timestamp) -> Reached<'s> {
        let mut reached = Reached { reader: party, by: Vec::new() };
        while reached.by.len() < MAX_CHAIN
            && let Some(line) = self.0.get(reached.reader).filter(|line| line.from <= at)
        {
            reached.reader = &line.new;
            reached.by.push(line);
        }
        reached
    }

    /// All lines, by the old key.
    pub fn iter(&self) -> impl Iterator<Item = &Successor> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn party(number: usize) -> PartyId {
        PartyId::parse(&format!("ags:{number}")).expect("a party")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    fn line(old: usize, new: usize, from: i64) -> Successor {
        Successor {
            name: format!("test:{old}"),
            old: party(old),
            new: party(new),
            from: at(from),
            note: "Eingemeindung".to_owned(),
        }
    }

    #[test]
    fn lines_are_followed_from_their_dates_on() {
        let table = Successors::new(vec![line(1, 2, 100), line(2, 3, 200), line(5, 3, 0)])
            .expect("it leads somewhere");
        for (from, second, reader, names) in [
            (1, 99, 1, vec![]),
            (1, 100, 2, vec!["test:1"]),
            (1, 199, 2, vec!["test:1"]),
            (1, 200, 3, vec!["test:1", "test:2"]),
            (2, 199, 2, vec![]),
            (5, 0, 3, vec!["test:5"]),
            (9, 500, 9, vec![]),
        ] {
            let party = party(from);
            let reached = table.reader_at(&party, at(second));
            let by: Vec<&str> = reached.by.iter().map(|line| line.name.as_str()).collect();
            assert_eq!(
                (reached.reader.clone(), by),
                (self::party(reader), names),
                "{from} {second}"
            );
        }
        assert_eq!(table.iter().count(), 3);
    }

    #[test]
    fn tables_that_lead_nowhere_are_refused() {
        let bad = |lines| Successors::new(lines).map(drop).expect_err("it leads nowhere");
        assert_eq!(bad(vec![line(1, 2, 0), line(1, 3, 9)]), BadSuccessors::Twice(party(1)));
        assert_eq!(bad(vec![line(1, 1, 0)]), BadSuccessors::Circle(party(1)));
        assert_eq!(bad(vec![line(2, 1, 0), line(1, 2, 9)]), BadSuccessors::Circle(party(1)));
        // The circle is not where the search begins.
        let found = bad(vec![line(1, 5, 0), line(5, 6, 0), line(6, 5, 0)]);
        assert!(matches!(found, BadSuccessors::TooLong(_) | BadSuccessors::Circle(_)), "{found:?}");
        let chain = |length| (0..length).map(|n| line(n, n + 1, 0)).collect::<Vec<_>>();
        assert!(Successors::new(chain(MAX_CHAIN)).is_ok());
        assert_eq!(bad(chain(MAX_CHAIN + 1)), BadSuccessors::TooLong(party(0)));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_ends(
            pairs in prop::collection::vec((0usize..12, 0usize..12, 0i64..10), 0..12), second in 0i64..10,
        ) {
            let lines = pairs.into_iter().map(|(old, new, from)| line(old, new, from)).collect();
            if let Ok(table) = Successors::new(lines) {
                for number in 0..12 {
                    let from = party(number);
                    let reached = table.reader_at(&from, at(second));
                    let end = table.reader_at(reached.reader, at(second));
                    prop_assert!(end.by.is_empty(), "from the end nothing leads on");
                    prop_assert!(reached.by.len() <= MAX_CHAIN);
                    prop_assert!(reached.by.iter().all(|line| line.from <= at(second)));
                }
            }
        }
    }
}
