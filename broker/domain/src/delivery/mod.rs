//! How deliveries are treated: rules as data, and what follows from them, without a clock.
//!
//! A message has a [`policy::Policy`], by its service and its Reader; the node that it goes to has
//! a [`traffic::Limits`], by its name. What depends on what happened before (waits, breakers, the
//! turn of the lanes) is a small machine that is told the time and asked what may go now.

pub mod alternative;
pub mod breaker;
pub mod calendar;
pub mod conversation;
pub mod fair;
pub mod lane;
pub mod lifetime;
pub mod policy;
pub mod rate;
pub mod successor;
pub mod traffic;
pub mod wait;
pub mod window;

use jiff::Timestamp;

use self::calendar::{Calendar, OutOfCalendar};
use self::lane::Lanes;
use self::lifetime::Lifetime;
use self::policy::{Chosen, Policies};
use self::successor::Successors;
use self::traffic::Traffic;
use crate::identity::ServiceUri;
use crate::message::Metadata;
use crate::party::PartyId;

/// All rules of a node about deliveries, read as a whole.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How messages are treated, by service and Reader.
    pub policies: Policies,
    /// What goes to each node, and when.
    pub traffic: Traffic,
    /// Which work comes first.
    pub lanes: Lanes,
    /// Which days are working days.
    pub calendar: Calendar,
    /// Authorities that others have taken the place of.
    pub successors: Successors,
}

impl Rules {
    /// How what was written to `reader` for `service` is treated at `at`, by the Reader who has taken
    /// its place where one has.
    pub fn policy(&self, service: &ServiceUri, reader: &PartyId, at: Timestamp) -> Chosen<'_> {
        let reached = self.successors.reader_at(reader, at);
        self.policies.choose(service, reached.reader)
    }

    /// Until when a message that arrives now is of use, and which rule was asked.
    pub fn lifetime(
        &self,
        metadata: &Metadata,
        arrival: Timestamp,
    ) -> Result<(Option<Lifetime>, &str), OutOfCalendar> {
        let Chosen { policy, rule } = self.policy(&metadata.service, &metadata.reader, arrival);
        let life = lifetime::lifetime(policy, &self.calendar, metadata, arrival)?;
        Ok((life, rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Pattern;
    use policy::{Policy, Rule};
    use successor::Successor;

    #[test]
    fn who_takes_a_readers_place_is_treated_by_their_own_rule() {
        let party = |text| PartyId::parse(text).expect("a party");
        let (old, new) = (party("ags:05766000"), party("ags:05766044"));
        let change: Timestamp = "2026-01-01T00:00:00Z".parse().expect("an instant");
        let rule = |name: &str, reader: &PartyId| Rule {
            name: name.to_owned(),
            service: Pattern::parse("*").expect("a pattern"),
            reader: Pattern::parse(reader.as_str()).expect("a pattern"),
            policy: Policy::default(),
        };
        let rules = vec![rule("of the old one", &old), rule("of the new one", &new)];
        let successor = Successor {
            name: "merged".to_owned(),
            old: old.clone(),
            new,
            from: change,
            note: "TEST".to_owned(),
        };
        let rules = Rules {
            policies: Policies::new(rules, Policy::default()).expect("policies"),
            successors: Successors::new(vec![successor]).expect("it leads somewhere"),
            ..Rules::default()
        };
        let service = ServiceUri::parse("urn:example:register").expect("a service");
        let before = change - jiff::SignedDuration::from_secs(1);
        assert_eq!(rules.policy(&service, &old, before).rule, "of the old one");
        assert_eq!(rules.policy(&service, &old, change).rule, "of the new one");
    }
}
