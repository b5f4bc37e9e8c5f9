//! The breaker before a node: what is out is left in peace, and is not run over when it returns.
//!
//! Closed, everything may go. After some failures in a row it opens: nothing goes until a time.
//! Then it is half open: one delivery goes as a probe. If the node answers it, work drains at a
//! pace that doubles with every good second, until the rate is reached and the breaker is closed.
//! If it does not, the breaker opens again for twice as long.
//!
//! It is fed with what became of deliveries and asked how many may go now; it starts nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::wait::asked_for;

/// How a breaker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Failures in a row that open it; more than 0.
    pub failures: u32,
    /// How long it is open at first; doubles with every probe that fails. More than 0.
    pub first_pause: Duration,
    /// How long it is open at most, unless the node asks for longer.
    pub longest_pause: Duration,
    /// Deliveries in the first second after a probe was answered; more than 0.
    pub pace: u32,
    /// Deliveries in a second from which on it is closed.
    pub rate: u32,
    /// How long a probe may stay without an outcome; then another one may go. Longer than an attempt.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 5,
            first_pause: Duration::from_secs(10),
            longest_pause: Duration::from_secs(600),
            pace: 4,
            rate: 64,
            patience: Duration::from_secs(600),
        }
    }
}

/// A breaker that could never open, or never close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a breaker needs failures, pauses and a pace of more than 0, and a first pause that is not \
     longer than the longest"
)]
pub struct BadBreaker;

impl Settings {
    /// What of it cannot work.
    pub fn check(&self) -> Result<(), BadBreaker> {
        let good = self.failures > 0
            && !self.first_pause.is_zero()
            && self.first_pause <= self.longest_pause
            && self.pace > 0
            && !self.patience.is_zero();
        if good { Ok(()) } else { Err(BadBreaker) }
    }
}

/// What became of a delivery, as far as a breaker cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The node has it and said so.
    Confirmed,
    /// The node refused it for good: it is there, and judges. That is no failure of the node.
    Refused,
    /// Nothing left: no connection could be made.
    NothingLeft,
    /// Octets left and no answer came.
    Lost,
    /// The node refused it for now and asked for so many seconds.
    Overloaded(u32),
    /// It was ended for a reason of our own, e.g. the octets at rest have changed.
    OwnFault,
}

/// What an outcome says about the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    There,
    Away(Duration),
    Nothing,
}

impl Outcome {
    fn says(self) -> Said {
        match self {
            Self::Confirmed | Self::Refused => Said::There,
            Self::NothingLeft | Self::Lost => Said::Away(Duration::ZERO),
            Self::Overloaded(seconds) => Said::Away(asked_for(Some(seconds))),
            Self::OwnFault => Said::Nothing,
        }
    }

    /// Whether it is a failure of the node.
    pub fn is_failure(self) -> bool {
        matches!(self.says(), Said::Away(_))
    }
}

/// Says which phase of the breaker a delivery was begun in: an outcome that comes late must not be
/// taken for that of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// How it stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything may go.
    Closed,
    /// Nothing goes.
    Open {
        /// Until when.
        until: Timestamp,
    },
    /// One delivery goes, or is under way, to find out.
    HalfOpen,
    /// The node is back, and work goes at a pace.
    Draining {
        /// Deliveries in this second.
        pace: u32,
    },
}

/// The breaker before one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    settings: Settings,
    phase: Phase,
    /// Grows with every phase.
    number: u64,
    /// Since when the node has not answered.
    away_since: Option<Timestamp>,
    /// How long it is open the next time.
    pause: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed {
        failures: u32,
    },
    Open {
        until: Timestamp,
    },
    /// Until when the outcome of the probe is waited for; none while no probe is under way.
    HalfOpen {
        probe: Option<Timestamp>,
    },
    Draining {
        second: Second,
    },
}

/// One second of draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Second {
    began: Timestamp,
    pace: u32,
    begun: u32,
    /// Something was answered in it.
    good: bool,
}

const SECOND: Duration = Duration::from_secs(1);

impl Breaker {
    /// A closed one.
    pub fn new(settings: Settings) -> Self {
        let phase = Phase::Closed { failures: 0 };
        Self { settings, phase, number: 0, away_since: None, pause: settings.first_pause }
    }

    /// Other settings, from now on; what is known of the node stays.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
        self.pause = self.pause.min(settings.longest_pause).max(settings.first_pause);
    }

    /// How many deliveries may begin now; [`u32::MAX`] when it is closed.
    pub fn room(&mut self, now: Timestamp) -> u32 {
        self.pass(now);
        match self.phase {
            Phase::Closed { .. } => u32::MAX,
            Phase::Open { .. } => 0,
            Phase::HalfOpen { probe } => u32::from(probe.is_none()),
            Phase::Draining { second } => second.pace.saturating_sub(second.begun),
        }
    }

    /// A delivery begins; there was room for it.
    pub fn begin(&mut self, now: Timestamp) -> Ticket {
        self.pass(now);
        match &mut self.phase {
            Phase::HalfOpen { probe } => {
                let patience = self.settings.patience;
                *probe = Some(now.checked_add(patience).unwrap_or(Timestamp::MAX));
            }
            Phase::Draining { second } => second.begun = second.begun.saturating_add(1),
            Phase::Closed { .. } | Phase::Open { .. } => {}
        }
        Ticket(self.number)
    }

    /// A delivery that was begun has ended.
    pub fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Timestamp) {
        self.pass(now);
        // What was begun before the breaker opened says nothing about the node as it is now.
        if ticket.0 != self.number {
            return;
        }
        match (&mut self.phase, outcome.says()) {
            (Phase::Closed { failures }, Said::There) => {
                *failures = 0;
                self.away_since = None;
            }
            (Phase::Closed { failures }, Said::Away(asked)) => {
                *failures += 1;
                let enough = *failures >= self.settings.failures;
                self.away_since.get_or_insert(now);
                if enough {
                    self.open(asked, now);
                }
            }
            (Phase::HalfOpen { .. }, Said::There) => {
                self.away_since = None;
                let pace = self.settings.pace;
                self.enter(Phase::Draining {
                    second: Second { began: now, pace, begun: 0, good: false },
                });
                self.close_at_rate(pace);
            }
            (Phase::Draining { second }, Said::There) => second.good = true,
            (Phase::HalfOpen { .. } | Phase::Draining { .. }, Said::Away(asked)) => {
                self.away_since.get_or_insert(now);
                self.open(asked, now);
            }
            // Another one may find out.
            (Phase::HalfOpen { probe }, Said::Nothing) => *probe = None,
            (Phase::Closed { .. } | Phase::Draining { .. }, Said::Nothing) => {}
            (Phase::Open { .. }, _) => {}
        }
    }

    /// How it stands.
    pub fn standing(&mut self, now: Timestamp) -> Standing {
        self.pass(now);
        match self.phase {
            Phase::Closed { .. } => Standing::Closed,
            Phase::Open { until } => Standing::Open { until },
            Phase::HalfOpen { .. } => Standing::HalfOpen,
            Phase::Draining { second } => Standing::Draining { pace: second.pace },
        }
    }

    /// For how long the node has not answered; none while the breaker is closed or draining.
    pub fn open_for(&mut self, now: Timestamp) -> Option<Duration> {
        match self.standing(now) {
            Standing::Closed | Standing::Draining { .. } => None,
            // A clock that was set back has waited for nothing yet.
            Standing::Open { .. } | Standing::HalfOpen => self
                .away_since
                .map(|since| Duration::try_from(now.duration_since(since)).unwrap_or_default()),
        }
    }

    /// When to ask for room again; none while there is some, or while only an outcome makes some.
    pub fn wake_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.room(now) > 0 {
            return None;
        }
        match self.phase {
            Phase::Closed { .. } => None,
            Phase::Open { until } => Some(until),
            Phase::HalfOpen { probe } => probe,
            Phase::Draining { second } => second.began.checked_add(SECOND).ok(),
        }
    }

    /// What time alone changes.
    fn pass(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Open { until } if until <= now => self.enter(Phase::HalfOpen { probe: None }),
            // It was begun and nobody said what became of it. It no longer counts.
            Phase::HalfOpen { probe: Some(end) } if end <= now => {
                self.enter(Phase::HalfOpen { probe: None });
            }
            Phase::Draining { second } => {
                let passed = Duration::try_from(now.duration_since(second.began));
                // A clock that was put back begins the second anew.
                if passed.is_ok_and(|passed| passed < SECOND) {
                    return;
                }
                // Nothing heard, nothing gained: the pace stays.
                let pace = if second.good { second.pace.saturating_mul(2) } else { second.pace };
                let second = Second { began: now, pace, begun: 0, good: false };
                self.phase = Phase::Draining { second };
                self.close_at_rate(pace);
            }
            Phase::Closed { .. } | Phase::Open { .. } | Phase::HalfOpen { .. } => {}
        }
    }

    fn close_at_rate(&mut self, pace: u32) {
        if pace >= self.settings.rate {
            self.pause = self.settings.first_pause;
            self.enter(Phase::Closed { failures: 0 });
        }
    }

    fn open(&mut self, asked: Duration, now: Timestamp) {
        let until = now.checked_add(self.pause.max(asked)).unwrap_or(Timestamp::MAX);
        self.pause = self.pause.saturating_mul(2).min(self.settings.longest_pause);
        self.enter(Phase::Open { until });
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.number += 1;
    }
}

#[cfg(test)]
mod tests;
