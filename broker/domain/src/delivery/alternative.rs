//! Other ways, in order, for when the one a delivery is on is out.
//!
//! A delivery only moves forward in the list, and never while it may have arrived: the same message
//! by two ways would be delivered twice. Each move is a [`Detour`], which is evidence.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::directory::Channel;
use crate::text::Language;

/// Most alternatives of one policy.
pub const MAX_ALTERNATIVES: usize = 8;

/// When a way is taken in place of the one before it; one of the conditions is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// The breaker before the node has been open for longer.
    pub open_longer: Option<Duration>,
    /// More attempts than this have failed.
    pub failed_more: Option<u32>,
    /// The node is in maintenance until after the end of the message.
    pub maintenance_over_end: bool,
}

/// Another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// Which.
    pub channel: Channel,
    /// When it is taken.
    pub when: When,
}

/// The ways after that of the directory, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternatives(Vec<Alternative>);

/// Alternatives that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAlternatives {
    /// Too many.
    #[error("at most {MAX_ALTERNATIVES} alternative ways")]
    TooMany,
    /// It would never be taken.
    #[error("an alternative way needs a condition")]
    Never,
    /// A delivery would come back to it.
    #[error("a way is listed twice")]
    Twice,
}

/// How the way looks that a delivery is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// For how long the breaker has been open; none while it is not.
    pub open_for: Option<Duration>,
    /// Attempts that failed on this way.
    pub failed: u32,
    /// Until when the node is in maintenance.
    pub maintenance_until: Option<Timestamp>,
    /// When the message ends.
    pub ends: Option<Timestamp>,
    /// An earlier attempt may have arrived.
    pub may_have_arrived: bool,
}

/// Why a way was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "because")]
pub enum Because {
    /// The breaker was open for too long.
    Open {
        /// For so many seconds.
        seconds: u64,
    },
    /// Too many attempts failed.
    Failed {
        /// So many.
        attempts: u32,
    },
    /// Maintenance lasts until after the end of the message.
    Maintenance {
        /// Until when.
        until: Timestamp,
        /// When the message ends.
        ends: Timestamp,
    },
}

/// A delivery changes its way, as the evidence shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detour {
    /// The way it was on.
    pub from: String,
    /// The way it goes on.
    pub to: String,
    /// Why.
    #[serde(flatten)]
    pub because: Because,
    /// Ways in between that were out as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// The rule that names these ways.
    pub rule: String,
}

impl When {
    /// In words, as a condition.
    pub fn text(&self, language: Language) -> String {
        let de = language == Language::De;
        let open = self.open_longer.map(|long| long.as_secs());
        let open = open.map(|seconds| match de {
            true => format!("länger als {seconds} s nicht erreichbar"),
            false => format!("out for more than {seconds} s"),
        });
        let failed = self.failed_more.map(|most| match de {
            true => format!("mehr als {most} Versuche gescheitert"),
            false => format!("more than {most} attempts failed"),
        });
        let maintenance = self.maintenance_over_end.then(|| match de {
            true => "Wartung bis nach dem Ablauf der Nachricht".to_owned(),
            false => "in maintenance until after the message's end".to_owned(),
        });
        let all: Vec<String> = [open, failed, maintenance].into_iter().flatten().collect();
        all.join(if de { " oder " } else { " or " })
    }

    /// Why the way before is left, if it is.
    fn met(&self, seen: &Seen) -> Option<Because> {
        let open = seen.open_for.filter(|open| self.open_longer.is_some_and(|long| *open > long));
        let failed = self.failed_more.is_some_and(|most| seen.failed > most);
        let maintenance = seen
            .maintenance_until
            .zip(seen.ends)
            .filter(|(until, ends)| self.maintenance_over_end && until >= ends);
        open.map(|open| Because::Open { seconds: open.as_secs() })
            .or(failed.then_some(Because::Failed { attempts: seen.failed }))
            .or(maintenance.map(|(until, ends)| Because::Maintenance { until, ends }))
    }
}

impl Alternatives {
    /// These.
    pub fn new(ways: Vec<Alternative>) -> Result<Self, BadAlternatives> {
        if ways.len() > MAX_ALTERNATIVES {
            return Err(BadAlternatives::TooMany);
        }
        for (n, way) in ways.iter().enumerate() {
            if way.when == When::default() {
                return Err(BadAlternatives::Never);
            }
            if ways[..n].iter().any(|other| other.channel == way.channel) {
                return Err(BadAlternatives::Twice);
            }
        }
        Ok(Self(ways))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Alternative> {
        self.0.iter()
    }

    /// The way to go on by, when that of `current` is left; none when it stays. `is_out` says of a
    /// way whether its breaker is open or its node in maintenance: such ones are passed over, and
    /// where all that follow are out the delivery stays, for nothing would be gained.
    pub fn detour(
        &self,
        current: &Channel,
        seen: &Seen,
        is_out: impl Fn(&Channel) -> bool,
        rule: &str,
    ) -> Option<Detour> {
        if seen.may_have_arrived {
            return None;
        }
        let behind = self.0.iter().position(|way| way.channel == *current).map_or(0, |n| n + 1);
        let mut skipped = Vec::new();
        for way in &self.0[behind..] {
            let because = way.when.met(seen)?;
            if is_out(&way.channel) {
                skipped.push(way.channel.to_string());
                continue;
            }
            let (from, to) = (current.to_string(), way.channel.to_string());
            return Some(Detour { from, to, because, skipped, rule: rule.to_owned() });
        }
        None
    }
}

impl Detour {
    /// In words.
    pub fn text(&self, language: Language) -> String {
        let de = language == Language::De;
        let because = match (self.because, de) {
            (Because::Open { seconds }, true) => format!("seit {seconds} s nicht erreichbar"),
            (Because::Open { seconds }, false) => format!("out of reach for {seconds} s"),
            (Because::Failed { attempts }, true) => format!("{attempts} Versuche gescheitert"),
            (Because::Failed { attempts }, false) => format!("{attempts} attempts failed"),
            (Because::Maintenance { until, ends }, true) => {
                format!("Wartung bis {until}, die Nachricht läuft um {ends} ab")
            }
            (Because::Maintenance { until, ends }, false) => {
                format!("maintenance until {until}, the message expires at {ends}")
            }
        };
        let skipped = self.skipped.join(", ");
        let skipped = match (skipped.is_empty(), de) {
            (true, _) => String::new(),
            (false, true) => format!("; ebenfalls nicht erreichbar: {skipped}"),
            (false, false) => format!("; out as well: {skipped}"),
        };
        let (from, to, rule) = (&self.from, &self.to, &self.rule);
        match de {
            true => format!("{from} → {to}: {because}{skipped} (Regel {rule})"),
            false => format!("{from} → {to}: {because}{skipped} (rule {rule})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str) -> Channel {
        Channel::Peer(name.to_owned())
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(count * 60)
    }

    /// By the directory, then KDN, then another network, then somebody who prints it.
    fn ways() -> Alternatives {
        let open = |count| When { open_longer: Some(minutes(count)), ..When::default() };
        Alternatives::new(vec![
            Alternative { channel: peer("kdn"), when: open(10) },
            Alternative { channel: peer("other-net"), when: open(10) },
            Alternative {
                channel: peer("print"),
                when: When { failed_more: Some(5), maintenance_over_end: true, ..open(60) },
            },
        ])
        .expect("ways")
    }

    #[test]
    fn the_next_way_is_taken_by_its_rule_and_said_why() {
        let open = |count| Seen { open_for: Some(minutes(count)), ..Seen::default() };
        let until = |until| Seen {
            maintenance_until: Some(at(until)),
            ends: Some(at(100)),
            ..Seen::default()
        };
        for (current, seen, out, wanted) in [
            ("direct", Seen::default(), &[][..], None),
            ("direct", open(10), &[], None),
            ("direct", open(11), &[], Some(("peer:kdn", Because::Open { seconds: 660 }, 0))),
            (
                "direct",
                open(11),
                &["kdn"],
                Some(("peer:other-net", Because::Open { seconds: 660 }, 1)),
            ),
            ("direct", open(11), &["kdn", "other-net"], None),
            (
                "direct",
                open(61),
                &["kdn", "other-net"],
                Some(("peer:print", Because::Open { seconds: 3_660 }, 2)),
            ),
            ("direct", open(61), &["kdn", "other-net", "print"], None),
            ("kdn", open(11), &[], Some(("peer:other-net", Because::Open { seconds: 660 }, 0))),
            ("other-net", open(11), &[], None),
            ("other-net", Seen { failed: 5, ..Seen::default() }, &[], None),
            (
                "other-net",
                Seen { failed: 6, ..Seen::default() },
                &[],
                Some(("peer:print", Because::Failed { attempts: 6 }, 0)),
            ),
            ("other-net", until(99), &[], None),
            (
                "other-net",
                until(100),
                &[],
                Some(("peer:print", Because::Maintenance { until: at(100), ends: at(100) }, 0)),
            ),
            ("other-net", Seen { ends: None, ..until(100) }, &[], None),
            ("print", open(600), &[], None),
            ("direct", Seen { may_have_arrived: true, ..open(600) }, &[], None),
        ] {
            let is_out = |channel: &Channel| out.iter().any(|name| *channel == peer(name));
            let detour = ways().detour(&peer(current), &seen, is_out, "delivery.toml:7");
            let found = detour.as_ref().map(|d| (d.to.as_str(), d.because, d.skipped.len()));
            assert_eq!(found, wanted, "{current} {seen:?} {out:?}");
            if let Some(detour) = detour {
                assert_eq!(detour.from, format!("peer:{current}"));
            }
        }
    }

    #[test]
    fn conditions_are_told_in_both_languages() {
        let when = When {
            open_longer: Some(minutes(10)),
            failed_more: Some(5),
            maintenance_over_end: true,
        };
        assert_eq!(
            when.text(Language::De),
            "länger als 600 s nicht erreichbar oder mehr als 5 Versuche gescheitert oder Wartung bis \
             nach dem Ablauf der Nachricht"
        );
        let failed = When { failed_more: Some(0), ..When::default() };
        assert_eq!(failed.text(Language::En), "more than 0 attempts failed");
    }

    #[test]
    fn a_delivery_never_comes_back_to_a_way() {
        let seen = Seen { open_for: Some(minutes(10_000)), failed: 99, ..Seen::default() };
        let (mut current, mut taken) = (peer("direct"), vec![]);
        while let Some(detour) = ways().detour(&current, &seen, |_| false, "x") {
            taken.push(detour.to.clone());
            current = Channel::parse(&detour.to).expect("a channel");
        }
        assert_eq!(taken, ["peer:kdn", "peer:other-net", "peer:print"]);
    }

    #[test]
    fn evidence_reads_in_both_languages() {
        let detour = Detour {
            from: "peer:direct".into(),
            to: "peer:print".into(),
            because: Because::Failed { attempts: 6 },
            skipped: vec!["peer:kdn".into()],
            rule: "delivery.toml:7".into(),
        };
        assert_eq!(
            detour.text(Language::De),
            "peer:direct → peer:print: 6 Versuche gescheitert; ebenfalls nicht erreichbar: \
             peer:kdn (Regel delivery.toml:7)"
        );
        assert_eq!(
            detour.text(Language::En),
            "peer:direct → peer:print: 6 attempts failed; out as well: peer:kdn \
             (rule delivery.toml:7)"
        );
        let json = serde_json::to_string(&detour).expect("json");
        assert_eq!(
            json,
            r#"{"from":"peer:direct","to":"peer:print","because":"failed","attempts":6,"skipped":["peer:kdn"],"rule":"delivery.toml:7"}"#
        );
        assert_eq!(serde_json::from_str::<Detour>(&json).expect("json"), detour);
    }

    #[test]
    fn alternatives_that_cannot_work_are_refused() {
        let when = When { failed_more: Some(1), ..When::default() };
        let way = |name: &str, when| Alternative { channel: peer(name), when };
        let bad = |ways| Alternatives::new(ways).expect_err("it cannot work");
        assert_eq!(bad(vec![way("a", When::default())]), BadAlternatives::Never);
        assert_eq!(bad(vec![way("a", when), way("a", when)]), BadAlternatives::Twice);
        let many = (0..=MAX_ALTERNATIVES).map(|n| way(&n.to_string(), when)).collect();
        assert_eq!(bad(many), BadAlternatives::TooMany);
    }
}
