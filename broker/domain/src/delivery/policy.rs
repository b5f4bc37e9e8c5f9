//! How a message is treated, by its service and its Reader: a list, the first rule that fits counts.

use std::time::Duration;

use super::alternative::Alternatives;
use super::lane::LaneName;
use super::wait::Waits;
use crate::identity::ServiceUri;
use crate::party::PartyId;
use crate::policy::Pattern;
use crate::text::Language;

/// Most attempts that a policy may allow.
pub const MAX_ATTEMPTS: u32 = 1_000;
/// Most working days until a deadline: a year of them.
pub const MAX_WORKING_DAYS: u32 = 250;
/// Longest time to live: a year.
pub const MAX_TIME_TO_LIVE: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Most rules in a list.
pub const MAX_RULES: usize = 10_000;
/// The name of the policy for what no rule fits.
pub const DEFAULT: &str = "default";

/// How a message is treated after it was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts before a person must decide; 1 to [`MAX_ATTEMPTS`].
    pub attempts: u32,
    /// Waits between them.
    pub waits: Waits,
    /// How long after its arrival the message is of use; none: as long as its Author says.
    pub time_to_live: Option<Duration>,
    /// Of use until the end of so many working days after that of its arrival; 1 to
    /// [`MAX_WORKING_DAYS`]. None: no such deadline.
    pub working_days: Option<u32>,
    /// How long before its end the sender is told that it expires soon; none: it is not told.
    pub notice: Option<Duration>,
    /// Messages of one conversation go one after the other.
    pub in_order: bool,
    /// Which lane it goes in; none: the last.
    pub lane: Option<LaneName>,
    /// Other ways, in order, and when they are taken.
    pub alternatives: Alternatives,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: 12,
            waits: Waits::default(),
            time_to_live: None,
            working_days: None,
            notice: None,
            in_order: false,
            lane: None,
            alternatives: Alternatives::default(),
        }
    }
}

/// What of a policy cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// None, or more than anybody waits for.
    #[error("attempts must be 1 to {MAX_ATTEMPTS}")]
    Attempts,
    /// Attempts without a pause.
    #[error("waits must be more than 0")]
    Waits,
    /// Nothing could ever arrive, or nothing would ever end.
    #[error("the time to live must be more than 0 and at most 366 days")]
    TimeToLive,
    /// No working day, or more than a year of them.
    #[error("working days must be 1 to {MAX_WORKING_DAYS}")]
    WorkingDays,
    /// The notice would go out with the receipt.
    #[error("the notice must be shorter than the time to live")]
    Notice,
    /// No attempt is left that could lead to another way.
    #[error("failed_more must be smaller than max_attempts, or a person decides first")]
    FailedMore,
    /// Too many rules.
    #[error("at most {MAX_RULES} rules")]
    TooMany,
}

impl BadPolicy {
    /// In words.
    pub fn text(self, language: Language) -> String {
        match (language, self) {
            (Language::En, bad) => bad.to_string(),
            (Language::De, Self::Attempts) => format!("Versuche: 1 bis {MAX_ATTEMPTS}"),
            (Language::De, Self::Waits) => "Wartezeiten müssen größer als 0 sein".to_owned(),
            (Language::De, Self::TimeToLive) => {
                "Die Lebensdauer muss größer als 0 sein und höchstens 366 Tage".to_owned()
            }
            (Language::De, Self::WorkingDays) => format!("Werktage: 1 bis {MAX_WORKING_DAYS}"),
            (Language::De, Self::Notice) => {
                "Die Vorwarnzeit muss kürzer sein als die Lebensdauer".to_owned()
            }
            (Language::De, Self::FailedMore) => {
                "failed_more muss kleiner sein als max_attempts, sonst entscheidet vorher ein Mensch"
                    .to_owned()
            }
            (Language::De, Self::TooMany) => format!("höchstens {MAX_RULES} Regeln"),
        }
    }
}

impl Policy {
    /// What of it cannot work.
    pub fn check(&self) -> Result<(), BadPolicy> {
        let Waits { first, longest } = self.waits;
        let within = |time: Duration| !time.is_zero() && time <= MAX_TIME_TO_LIVE;
        let checks = [
            ((1..=MAX_ATTEMPTS).contains(&self.attempts), BadPolicy::Attempts),
            (!first.is_zero() && !longest.is_zero(), BadPolicy::Waits),
            (self.time_to_live.is_none_or(within), BadPolicy::TimeToLive),
            (
                self.working_days.is_none_or(|days| (1..=MAX_WORKING_DAYS).contains(&days)),
                BadPolicy::WorkingDays,
            ),
            (
                match (self.notice, self.time_to_live) {
                    (Some(notice), Some(life)) => notice < life,
                    (Some(notice), None) => notice <= MAX_TIME_TO_LIVE,
                    (None, _) => true,
                },
                BadPolicy::Notice,
            ),
            // After the last attempt a person decides, on each of the ways.
            (
                self.alternatives
                    .iter()
                    .all(|way| way.when.failed_more.is_none_or(|most| most < self.attempts)),
                BadPolicy::FailedMore,
            ),
        ];
        checks.into_iter().find_map(|(good, bad)| (!good).then_some(bad)).map_or(Ok(()), Err)
    }
}

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands, for `why` and `route explain`, e.g. `delivery.toml:1`.
    pub name: String,
    /// Services.
    pub service: Pattern,
    /// Readers.
    pub reader: Pattern,
    /// How such messages are treated.
    pub policy: Policy,
}

/// The whole list, and what holds where no line fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    rules: Vec<Rule>,
    default: Policy,
}

/// The policy of a message, and which rule says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'p> {
    /// How the message is treated.
    pub policy: &'p Policy,
    /// The name of the rule, or [`DEFAULT`].
    pub rule: &'p str,
}

impl Policies {
    /// A list of these rules, and the policy where none fits.
    pub fn new(rules: Vec<Rule>, default: Policy) -> Result<Self, BadPolicy> {
        if rules.len() > MAX_RULES {
            return Err(BadPolicy::TooMany);
        }
        default.check()?;
        rules.iter().try_for_each(|rule| rule.policy.check())?;
        Ok(Self { rules, default })
    }

    /// The first rule that fits.
    pub fn choose(&self, service: &ServiceUri, reader: &PartyId) -> Chosen<'_> {
        let fits =
            |rule: &&Rule| rule.service.fits(service.as_str()) && rule.reader.fits(reader.as_str());
        match self.rules.iter().find(fits) {
            Some(rule) => Chosen { policy: &rule.policy, rule: &rule.name },
            None => Chosen { policy: &self.default, rule: DEFAULT },
        }
    }

    /// All policies, that of what no rule fits last.
    pub fn all(&self) -> impl Iterator<Item = &Policy> {
        self.rules.iter().map(|rule| &rule.policy).chain([&self.default])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::alternative::{Alternative, When};
    use crate::directory::Channel;

    fn rule(name: &str, service: &str, reader: &str, attempts: u32) -> Rule {
        let pattern = |text| Pattern::parse(text).expect("a pattern");
        let policy = Policy { attempts, ..Policy::default() };
        Rule { name: name.into(), service: pattern(service), reader: pattern(reader), policy }
    }

    #[test]
    fn the_first_rule_that_fits_counts_and_is_told() {
        let rules = vec![
            rule("a", "urn:election:*", "ags:05766*", 1),
            rule("b", "urn:election:*", "*", 2),
            rule("c", "urn:register", "ags:05766044", 3),
            rule("never", "urn:register", "ags:05766044", 4),
        ];
        let policies = Policies::new(rules, Policy::default()).expect("they can work");
        for (service, reader, name, attempts) in [
            ("urn:election:eu", "ags:05766044", "a", 1),
            ("urn:election:eu", "ags:05770032", "b", 2),
            ("urn:register", "ags:05766044", "c", 3),
            ("urn:register", "ags:05766048", DEFAULT, 12),
            ("urn:registers", "ags:05766044", DEFAULT, 12),
        ] {
            let service = ServiceUri::parse(service).expect("a service");
            let reader = PartyId::parse(reader).expect("a party");
            let chosen = policies.choose(&service, &reader);
            assert_eq!((chosen.rule, chosen.policy.attempts), (name, attempts), "{service}");
        }
        assert_eq!(policies.all().count(), 5);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let day = Duration::from_secs(24 * 3_600);
        let good = Policy::default;
        let waits = |first, longest| Waits { first, longest };
        let after = |failed| {
            let when = When { failed_more: Some(failed), ..When::default() };
            let way = Alternative { channel: Channel::Inbox, when };
            Alternatives::new(vec![way]).expect("a way")
        };
        let cases = [
            (good(), Ok(())),
            (Policy { attempts: 0, ..good() }, Err(BadPolicy::Attempts)),
            (Policy { attempts: MAX_ATTEMPTS + 1, ..good() }, Err(BadPolicy::Attempts)),
            (Policy { waits: waits(Duration::ZERO, day), ..good() }, Err(BadPolicy::Waits)),
            (Policy { waits: waits(day, Duration::ZERO), ..good() }, Err(BadPolicy::Waits)),
            (Policy { waits: waits(day, day), ..good() }, Ok(())),
            (Policy { time_to_live: Some(Duration::ZERO), ..good() }, Err(BadPolicy::TimeToLive)),
            (Policy { time_to_live: Some(day * 367), ..good() }, Err(BadPolicy::TimeToLive)),
            (Policy { working_days: Some(0), ..good() }, Err(BadPolicy::WorkingDays)),
            (Policy { working_days: Some(251), ..good() }, Err(BadPolicy::WorkingDays)),
            (
                Policy { time_to_live: Some(day), notice: Some(day), ..good() },
                Err(BadPolicy::Notice),
            ),
            (Policy { working_days: Some(3), notice: Some(day), ..good() }, Ok(())),
            (Policy { attempts: 6, alternatives: after(5), ..good() }, Ok(())),
            (Policy { attempts: 5, alternatives: after(5), ..good() }, Err(BadPolicy::FailedMore)),
        ];
        for (policy, wanted) in cases {
            assert_eq!(policy.check(), wanted, "{policy:?}");
            let list =
                Policies::new(vec![Rule { policy, ..rule("x", "*", "*", 1) }], Policy::default());
            assert_eq!(list.map(drop), wanted);
        }
    }
}
