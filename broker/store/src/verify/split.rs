//! That nobody did bit by bit, alone, what as one act needs two people: the records one after the other,
//! as they stand in the log.
//!
//! A record says over which span its sum was taken when it was made; with that span it is counted again.
//! Records from before sums were taken say none, and do not count. For each person and act the times of
//! the newest [`LARGE`] are kept: one more within the span is one too many.

use std::collections::{HashMap, VecDeque};

use amtsbote_domain::clearing::{ALONE_HOURS_ALLOWED, Act, LARGE};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use jiff::{SignedDuration, Timestamp};

use super::approvals::time;
use super::{Breach, MAX_PROBLEMS, ProblemKind, VerifyReport};
use crate::rows::read_evidence;

/// Most names and certificates whose acts are followed at the same time, about 500 octets each. What lies
/// beyond is told, not passed over.
const MAX_FOLLOWED: usize = 20_000;

/// What people did alone, as far as it was read.
#[derive(Default)]
pub(super) struct Splits {
    /// The span of the newest record that says one.
    hours: Option<u32>,
    followed: HashMap<(Act, Who), VecDeque<Timestamp>>,
    /// Where what is wrong; the first ones.
    found: Vec<(Breach, String)>,
    /// How much there is beyond those.
    more: u64,
}

/// A second certificate of a person is theirs, and so is another name under theirs.
#[derive(PartialEq, Eq, Hash)]
enum Who {
    Name(String),
    Certificate(Digest),
}

impl Splits {
    /// Takes in the record of a leaf.
    pub(super) fn learn(&mut self, leaf: u64, record: &[u8]) {
        // Few records are about acts of people; the others are not read for it.
        if !std::str::from_utf8(record).is_ok_and(|text| text.contains("\"grounds\"")) {
            return;
        }
        // What cannot be read is told where the leaves are.
        let Ok(Evidence::Changed { hub_id, grounds: Some(grounds), .. }) = read_evidence(record)
        else {
            return;
        };
        if grounds.granted.is_some() {
            return;
        }
        self.hours = grounds.alone.map(|alone| alone.hours).or(self.hours);
        let (Some(hours), Some(at)) = (self.hours, time(record)) else { return };
        let span = SignedDuration::from_hours(i64::from(hours));
        let whos = [Who::Name(grounds.by.name), Who::Certificate(grounds.by.certificate)];
        let mut breach = None;
        for who in whos {
            match self.one_more(grounds.act, who, at, span) {
                Ok(many) => breach = breach.or(many.then_some(Breach::Split)),
                Err(full) => breach = Some(full),
            }
        }
        // Too much at once is told as such.
        let at_once = grounds.together.is_some_and(|count| count as usize > LARGE);
        match breach {
            Some(Breach::Split) if at_once => {}
            Some(_) if self.found.len() >= MAX_PROBLEMS => self.more += 1,
            Some(breach) => self.found.push((breach, format!("{hub_id} leaf {leaf}"))),
            None => {}
        }
    }

    /// Counts one more; says whether it is one too many.
    fn one_more(
        &mut self,
        act: Act,
        who: Who,
        at: Timestamp,
        span: SignedDuration,
    ) -> Result<bool, Breach> {
        let key = (act, who);
        if self.followed.len() >= MAX_FOLLOWED && !self.followed.contains_key(&key) {
            let week = SignedDuration::from_hours(i64::from(*ALONE_HOURS_ALLOWED.end()));
            let lately = |last: &Timestamp| at.duration_since(*last) < week;
            self.followed.retain(|_, times| times.back().is_some_and(lately));
            if self.followed.len() >= MAX_FOLLOWED {
                return Err(Breach::TooMany);
            }
        }
        let times = self.followed.entry(key).or_default();
        let many = times.len() >= LARGE
            && times.front().is_some_and(|first| at.duration_since(*first) < span);
        times.push_back(at);
        if times.len() > LARGE {
            times.pop_front();
        }
        Ok(many)
    }

    /// Says what was found.
    pub(super) fn tell(self, report: &mut VerifyReport) {
        for (breach, place) in self.found {
            report.add(ProblemKind::Approval(breach), place);
        }
        report.problem_count += self.more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(second: i64, name: &str, octet: u8, more: &str) -> Vec<u8> {
        let at = Timestamp::from_second(second).expect("a time");
        let certificate = Digest([octet; 32]);
        format!(
            "{{\"event\":{{\"event\":\"reject\"}},\"from\":{{\"cause\":\"refused\",\
             \"state\":\"in-clearing\"}},\"grounds\":{{\"act\":\"reject\",\"by\":\
             {{\"certificate\":\"{certificate}\",\"name\":\"{name}\"}},\"reason\":\"x\"{more}}},\
             \"hub_id\":\"0197a2c4-0000-7000-8000-000000000001\",\"kind\":\"changed\",\
             \"time\":\"{at}\",\"to\":{{\"state\":\"rejected-back\"}}}}"
        )
        .into_bytes()
    }

    fn alone(hours: u32) -> String {
        format!(",\"alone\":{{\"count\":1,\"hours\":{hours}}}")
    }

    /// Feeds them, and says at which leaves something was found.
    fn found(records: impl IntoIterator<Item = Vec<u8>>) -> Vec<(usize, Breach)> {
        let mut splits = Splits::default();
        let mut all = Vec::new();
        for (leaf, record) in records.into_iter().enumerate() {
            let before = splits.found.len();
            splits.learn(leaf as u64, &record);
            all.extend(splits.found[before..].iter().map(|(breach, _)| (leaf, *breach)));
        }
        all
    }

    const MANY: i64 = LARGE as i64;

    #[test]
    fn one_too_many_within_the_span_is_found() {
        let every = |seconds: i64, count: i64| {
            found((0..count).map(|n| record(n * seconds, "anna", 1, &alone(1))))
        };
        assert_eq!(every(1, MANY), []);
        assert_eq!(every(1, MANY + 1), [(LARGE, Breach::Split)]);
        // Exactly an hour lies between the first and the one after the twentieth.
        assert_eq!(every(180, 3 * MANY), []);
        assert_eq!(every(179, MANY + 1), [(LARGE, Breach::Split)]);
    }

    #[test]
    fn a_person_is_their_name_and_their_certificate() {
        let by = |who: fn(i64) -> (&'static str, u8)| {
            found((0..=MANY).map(|n| record(n, who(n).0, who(n).1, &alone(24)))).len()
        };
        assert_eq!(by(|n| ("anna", n as u8)), 1, "many certificates of one name");
        assert_eq!(by(|n| (["anna", "berta"][n as usize % 2], 1)), 1, "two names of a certificate");
        assert_eq!(by(|n| [("anna", 1), ("berta", 2)][n as usize % 2]), 0, "two people");
    }

    #[test]
    fn what_two_did_and_what_was_done_before_sums_were_taken_does_not_count() {
        let granted = format!(
            ",\"granted\":{{\"proposal\":\"p-1\",\"by\":{{\"name\":\"berta\",\"certificate\":\"{}\"}}}}",
            Digest([2; 32])
        );
        assert_eq!(found((0..50).map(|n| record(n, "anna", 1, &granted))), []);
        let old = (0..50).map(|n| record(n, "anna", 1, ""));
        assert_eq!(found(old.clone()), []);
        let new = (50..50 + MANY).map(|n| record(n, "anna", 1, &alone(24)));
        assert_eq!(found(old.clone().chain(new.clone())), []);
        // From then on there is none without.
        let without = [record(99, "anna", 1, "")];
        assert_eq!(found(old.chain(new).chain(without)), [(50 + LARGE, Breach::Split)]);
    }

    #[test]
    fn more_people_than_are_followed_are_told() {
        let name = |n: usize| format!("person {n}");
        let mut splits = Splits::default();
        for n in 0..MAX_FOLLOWED {
            splits.followed.insert((Act::Hold, Who::Name(name(n))), [Timestamp::UNIX_EPOCH].into());
        }
        splits.learn(7, &record(9_000, "another", 9, &alone(24)));
        assert_eq!(splits.found.first().map(|(breach, _)| *breach), Some(Breach::TooMany));
        // A week later they are let go.
        splits.found.clear();
        splits.learn(8, &record(9_000_000, "another", 9, &alone(24)));
        assert_eq!(splits.found, []);
        assert_eq!(splits.followed.len(), 2);
    }

    #[test]
    fn other_records_are_passed_over() {
        for record in [&b"{\"grounds\""[..], b"\xff", b"{}", b"", b"{\"grounds\":{}}"] {
            assert_eq!(found([record.to_vec()]), []);
        }
    }
}
