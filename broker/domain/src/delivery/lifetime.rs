//! Until when a message is of use: as its Author says, or earlier where a policy says so.

use serde::{Deserialize, Serialize};

use jiff::Timestamp;

use super::calendar::{Calendar, OutOfCalendar};
use super::policy::Policy;
use crate::message::Metadata;
use crate::text::Text;

/// What ends the life of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The expiry that its Author signed.
    Author,
    /// The time to live of its policy.
    TimeToLive,
    /// The working days of its policy.
    WorkingDays,
}

impl Bound {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::TimeToLive => "time-to-live",
            Self::WorkingDays => "working-days",
        }
    }

    /// In words.
    pub fn text(self) -> Text {
        match self {
            Self::Author => Text { de: "Ablauf laut Autor", en: "the Author's expiry" },
            Self::TimeToLive => {
                Text { de: "Lebensdauer laut Regel", en: "the rule's time to live" }
            }
            Self::WorkingDays => {
                Text { de: "Frist in Arbeitstagen", en: "the deadline in working days" }
            }
        }
    }
}

/// When a message ends, and why then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Of no use from then on.
    pub ends: Timestamp,
    /// Which bound comes first.
    pub by: Bound,
    /// When the sender is to be told that it ends soon; none where the policy has no notice.
    pub notice_at: Option<Timestamp>,
}

/// The earliest of what the Author says and what the policy says; none where nothing ends it. The
/// policy counts from the arrival, or from the time before which the message may not be handed over.
/// An Author's expiry is never put off.
pub fn lifetime(
    policy: &Policy,
    calendar: &Calendar,
    metadata: &Metadata,
    arrival: Timestamp,
) -> Result<Option<Lifetime>, OutOfCalendar> {
    let from = metadata.not_before.map_or(arrival, |earliest| earliest.max(arrival));
    let own = metadata.expires.map(|at| (at, Bound::Author));
    let life = policy
        .time_to_live
        .map(|life| (from.checked_add(life).unwrap_or(Timestamp::MAX), Bound::TimeToLive));
    let days = policy.working_days.map(|days| calendar.deadline(from, days)).transpose()?;
    let days = days.map(|at| (at, Bound::WorkingDays));
    let first = [own, life, days].into_iter().flatten().min_by_key(|(at, _)| *at);
    Ok(first.map(|(ends, by)| {
        let notice = policy.notice.map(|lead| {
            // A message that ends sooner than the notice is long: the sender is told at once.
            ends.checked_sub(lead).unwrap_or(Timestamp::MIN).max(from)
        });
        Lifetime { ends, by, notice_at: notice }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ServiceUri, TransportId};
    use crate::party::PartyId;
    use proptest::prelude::*;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    fn metadata(not_before: Option<Timestamp>, expires: Option<Timestamp>) -> Metadata {
        Metadata {
            author: PartyId::parse("ags:05766044").expect("a party"),
            reader: PartyId::parse("ags:05766020").expect("a party"),
            other_readers: vec![],
            service: ServiceUri::parse("urn:example:register").expect("a service"),
            message_type: None,
            transport_id: TransportId::parse("t-1").expect("an id"),
            business_id: None,
            created: Timestamp::UNIX_EPOCH,
            not_before,
            expires,
            test: false,
        }
    }

    #[test]
    fn the_earliest_bound_counts() {
        let now = at("2026-05-08T08:00:00Z");
        let none = Policy::default();
        let life = Policy { time_to_live: Some(HOUR * 48), ..Policy::default() };
        let days = Policy { working_days: Some(1), ..Policy::default() };
        let both = Policy { time_to_live: Some(HOUR * 48), ..days.clone() };
        for (policy, not_before, expires, wanted) in [
            (&none, None, None, None),
            (
                &none,
                None,
                Some("2026-06-01T00:00:00Z"),
                Some(("2026-06-01T00:00:00Z", Bound::Author)),
            ),
            (&life, None, None, Some(("2026-05-10T08:00:00Z", Bound::TimeToLive))),
            (
                &life,
                None,
                Some("2026-06-01T00:00:00Z"),
                Some(("2026-05-10T08:00:00Z", Bound::TimeToLive)),
            ),
            (
                &life,
                None,
                Some("2026-05-09T00:00:00Z"),
                Some(("2026-05-09T00:00:00Z", Bound::Author)),
            ),
            (&days, None, None, Some(("2026-05-11T22:00:00Z", Bound::WorkingDays))),
            (&both, None, None, Some(("2026-05-10T08:00:00Z", Bound::TimeToLive))),
            (
                &life,
                Some("2026-05-20T08:00:00Z"),
                None,
                Some(("2026-05-22T08:00:00Z", Bound::TimeToLive)),
            ),
            (
                &life,
                Some("2026-05-01T08:00:00Z"),
                None,
                Some(("2026-05-10T08:00:00Z", Bound::TimeToLive)),
            ),
        ] {
            let metadata = metadata(not_before.map(at), expires.map(at));
            let found = lifetime(policy, &Calendar::default(), &metadata, now).expect("in range");
            let found = found.map(|life| (life.ends, life.by));
            assert_eq!(found, wanted.map(|(ends, by)| (at(ends), by)), "{policy:?}");
        }
    }

    #[test]
    fn the_sender_is_told_in_time_or_at_once() {
        let now = at("2026-05-08T08:00:00Z");
        let notice = |life: u32, lead: u32| {
            let policy = Policy {
                time_to_live: Some(HOUR * life),
                notice: Some(HOUR * lead),
                ..Policy::default()
            };
            let found = lifetime(&policy, &Calendar::default(), &metadata(None, None), now);
            found.expect("in range").expect("it ends").notice_at
        };
        assert_eq!(notice(48, 12), Some(at("2026-05-09T20:00:00Z")));
        assert_eq!(notice(4, 12), Some(now));
    }

    proptest! {
        #[test]
        fn no_bound_is_overrun(
            arrival in 631_152_000i64..4_000_000_000, not_before: Option<u32>, expires: Option<u32>,
            hours in prop::option::of(1u32..8_000), days in prop::option::of(1u32..250),
            lead in prop::option::of(0u32..8_000),
        ) {
            let second = |second: i64| Timestamp::from_second(second).expect("an instant");
            let metadata =
                metadata(not_before.map(|s| second(s.into())), expires.map(|s| second(s.into())));
            let policy = Policy {
                time_to_live: hours.map(|hours| HOUR * hours),
                working_days: days,
                notice: lead.map(|hours| HOUR * hours),
                ..Policy::default()
            };
            let found = lifetime(&policy, &Calendar::default(), &metadata, second(arrival));
            // 2096 is not far from the end of the calendar, but a not-before may be beyond it.
            let Ok(found) = found else { return Ok(()) };
            match found {
                None => prop_assert!(expires.is_none() && hours.is_none() && days.is_none()),
                Some(life) => {
                    prop_assert!(metadata.expires.is_none_or(|own| life.ends <= own));
                    prop_assert_eq!(life.notice_at.is_some(), lead.is_some());
                    if life.by != Bound::Author {
                        prop_assert!(life.notice_at.is_none_or(|notice| notice <= life.ends));
                        prop_assert!(life.ends > second(arrival));
                    }
                }
            }
        }
    }
}
