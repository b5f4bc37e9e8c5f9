//! What goes to one node of the transport, and when: at the same time, in a second, not in
//! maintenance, and not while it is out.
//!
//! A limit belongs to the node and not to the service: two services that go to one node share it.

use jiff::Timestamp;

use super::breaker::{self, Breaker, Outcome, Standing, Ticket};
use super::rate::Bucket;
use super::window::{Maintenance, Windows};
use crate::policy::Pattern;

/// The name of the limits where no line fits.
pub const DEFAULT: &str = "default";

/// What a node bears.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Deliveries under way at the same time; none: half of the worker's slots.
    pub parallel: Option<u32>,
    /// Deliveries begun in a second, by this node alone; none: as many as there are.
    pub rate: Option<u32>,
    /// How its breaker behaves.
    pub breaker: breaker::Settings,
    /// When it is not spoken to.
    pub windows: Windows,
}

/// One line: the nodes of this name, and what they bear.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Where it stands, e.g. `delivery.toml:1`.
    pub name: String,
    /// Names of nodes, as the configuration has them.
    pub peer: Pattern,
    /// What each of them bears.
    pub limits: Limits,
}

/// The whole list; the first line that fits counts.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    recipients: Vec<Recipient>,
    default: Limits,
}

impl Traffic {
    /// A list of these, and what holds where none fits.
    pub fn new(recipients: Vec<Recipient>, default: Limits) -> Self {
        Self { recipients, default }
    }

    /// What a node bears, and which line says so.
    pub fn of(&self, peer: &str) -> (&Limits, &str) {
        match self.recipients.iter().find(|recipient| recipient.peer.fits(peer)) {
            Some(recipient) => (&recipient.limits, &recipient.name),
            None => (&self.default, DEFAULT),
        }
    }
}

/// What is known of one node while this one runs: its breaker and its bucket.
#[derive(Clone, Debug)]
pub struct Gate {
    breaker: Breaker,
    bucket: Option<Bucket>,
}

/// Why nothing goes to a node, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Its breaker is open, or it waits for what becomes of a probe.
    Out(Standing),
    /// It is in maintenance.
    Maintenance(Maintenance),
}

impl Gate {
    /// For a node of which nothing is known.
    pub fn new(limits: &Limits, now: Timestamp) -> Self {
        let bucket = limits.rate.map(|rate| Bucket::new(rate, now));
        Self { breaker: Breaker::new(limits.breaker), bucket }
    }

    /// Other limits, from now on; what is known of the node stays.
    pub fn set(&mut self, limits: &Limits, now: Timestamp) {
        self.breaker.set(limits.breaker);
        self.bucket = match (self.bucket, limits.rate) {
            (Some(bucket), Some(_)) => Some(bucket),
            (None, Some(rate)) => Some(Bucket::new(rate, now)),
            (_, None) => None,
        };
    }

    /// How many more may go now, while so many are under way; `parallel` is what holds where the
    /// limits name none.
    pub fn room(&mut self, limits: &Limits, parallel: u32, under_way: u32, now: Timestamp) -> u32 {
        if limits.windows.maintenance(now).is_some() {
            return 0;
        }
        let slots = limits.parallel.unwrap_or(parallel).saturating_sub(under_way);
        let rate = match (&mut self.bucket, limits.rate) {
            (Some(bucket), Some(rate)) => bucket.room(rate, now),
            _ => u32::MAX,
        };
        slots.min(rate).min(self.breaker.room(now))
    }

    /// A delivery begins; there was room for it.
    pub fn begin(&mut self, now: Timestamp) -> Ticket {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(1);
        }
        self.breaker.begin(now)
    }

    /// A delivery that was begun has ended.
    pub fn end(&mut self, ticket: Ticket, outcome: Outcome, now: Timestamp) {
        self.breaker.end(ticket, outcome, now);
    }

    /// Why nothing goes, apart from what is under way and the rate.
    pub fn shut(&mut self, limits: &Limits, now: Timestamp) -> Option<Shut> {
        if let Some(maintenance) = limits.windows.maintenance(now) {
            return Some(Shut::Maintenance(maintenance));
        }
        match self.breaker.standing(now) {
            standing @ Standing::Open { .. } => Some(Shut::Out(standing)),
            standing @ Standing::HalfOpen if self.breaker.room(now) == 0 => {
                Some(Shut::Out(standing))
            }
            _ => None,
        }
    }

    /// The breaker: how it stands, for how long it has been open.
    pub fn breaker(&mut self) -> &mut Breaker {
        &mut self.breaker
    }

    /// When the rate lets the next one go; none where it does now.
    pub fn rate_opens(&mut self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        match (&mut self.bucket, limits.rate) {
            (Some(bucket), Some(rate)) => bucket.wake_at(rate, now),
            _ => None,
        }
    }

    /// When time alone makes room again; none where there is some, or where only the end of what is
    /// under way makes some.
    pub fn wake_at(&mut self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        let closed = limits.windows.maintenance(now).map(|maintenance| maintenance.until);
        [closed, self.rate_opens(limits, now), self.breaker.wake_at(now)]
            .into_iter()
            .flatten()
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::window::Window;
    use jiff::civil::date;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let line = |name: &str, peer, parallel| Recipient {
            name: name.to_owned(),
            peer: Pattern::parse(peer).expect("a pattern"),
            limits: Limits { parallel: Some(parallel), ..Limits::default() },
        };
        let traffic = Traffic::new(
            vec![line("a", "kdn-1", 1), line("b", "kdn-*", 2)],
            Limits { parallel: Some(3), ..Limits::default() },
        );
        for (peer, parallel, name) in
            [("kdn-1", 1, "a"), ("kdn-2", 2, "b"), ("gateway", 3, DEFAULT)]
        {
            let (limits, line) = traffic.of(peer);
            assert_eq!((limits.parallel, line), (Some(parallel), name), "{peer}");
        }
    }

    #[test]
    fn the_narrowest_limit_counts() {
        let limits = |parallel, rate| Limits { parallel, rate, ..Limits::default() };
        for (limits, slots, under_way, room) in [
            (limits(None, None), 8, 0, 8),
            (limits(None, None), 8, 3, 5),
            (limits(Some(2), None), 8, 1, 1),
            (limits(Some(2), None), 8, 5, 0),
            (limits(Some(20), Some(4)), 8, 0, 4),
        ] {
            let mut gate = Gate::new(&limits, at(0));
            assert_eq!(gate.room(&limits, slots, under_way, at(0)), room, "{limits:?}");
        }
    }

    #[test]
    fn what_begins_uses_up_the_rate_until_time_brings_more() {
        let limits = Limits { rate: Some(2), ..Limits::default() };
        let mut gate = Gate::new(&limits, at(0));
        gate.begin(at(0));
        gate.begin(at(0));
        assert_eq!(gate.room(&limits, 8, 2, at(0)), 0);
        assert_eq!(
            gate.wake_at(&limits, at(0)),
            Some("1970-01-01T00:00:00.5Z".parse().expect("t"))
        );
        assert_eq!(gate.shut(&limits, at(0)), None);
        assert_eq!(gate.room(&limits, 8, 2, at(1)), 2);
        let free = Limits::default();
        gate.set(&free, at(1));
        assert_eq!(gate.room(&free, 8, 2, at(1)), 6);
    }

    #[test]
    fn maintenance_and_an_open_breaker_shut_the_gate() {
        // Two to three in the morning, in Germany.
        let day = date(2026, 5, 13);
        let window = Window::Dated { from: day.at(2, 0, 0, 0), until: day.at(3, 0, 0, 0) };
        let limits =
            Limits { windows: Windows::new(vec![window]).expect("windows"), ..Limits::default() };
        let mut gate = Gate::new(&limits, at(0));
        let now: Timestamp = "2026-05-13T00:30:00Z".parse().expect("an instant");
        let until: Timestamp = "2026-05-13T01:00:00Z".parse().expect("an instant");
        assert_eq!(gate.room(&limits, 8, 0, now), 0);
        assert_eq!(gate.shut(&limits, now), Some(Shut::Maintenance(Maintenance { until, window })));
        assert_eq!(gate.wake_at(&limits, now), Some(until));
        assert_eq!(gate.room(&limits, 8, 0, until), 8);
        for _ in 0..limits.breaker.failures {
            let ticket = gate.begin(until);
            gate.end(ticket, Outcome::NothingLeft, until);
        }
        let opens = until + limits.breaker.first_pause;
        assert_eq!(gate.room(&limits, 8, 0, until), 0);
        assert_eq!(gate.wake_at(&limits, until), Some(opens));
        let open = Shut::Out(Standing::Open { until: opens });
        assert_eq!(gate.shut(&limits, until), Some(open));
        // One probe, however many slots there are.
        assert_eq!(gate.room(&limits, 8, 0, opens), 1);
        assert_eq!(gate.shut(&limits, opens), None);
        gate.begin(opens);
        assert_eq!(gate.shut(&limits, opens), Some(Shut::Out(Standing::HalfOpen)));
    }
}
