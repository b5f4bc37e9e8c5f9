//! What each peer bears at the moment: room by its slots, its rate, its breaker, its maintenance.
//!
//! Known to one node alone and while it runs; the machines behind it are in `domain::delivery`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::breaker::{Outcome, Standing, Ticket};
use amtsbote_domain::delivery::traffic::{Gate, Traffic};
use amtsbote_domain::delivery::window::Maintenance;
use amtsbote_domain::ports::Slots;

use crate::tables::InForce;

/// What is known of each peer while this node runs. A node that starts knows nothing and finds out.
#[derive(Default)]
pub(crate) struct Gates(Mutex<BTreeMap<String, Gate>>);

/// How a peer looks from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// Its breaker.
    pub(crate) standing: Standing,
    /// Since when it has been out.
    pub(crate) out_since: Option<Timestamp>,
    /// Its maintenance.
    pub(crate) maintenance: Option<Maintenance>,
    /// When its rate lets the next one go; none where it lets one go now.
    pub(crate) rate_opens: Option<Timestamp>,
}

impl Look {
    /// For how long its breaker has been open; none while it is not.
    pub(crate) fn open_for(&self, now: Timestamp) -> Option<Duration> {
        let since = self.out_since?;
        // A clock that was set back has waited for nothing yet.
        Some(Duration::try_from(now.duration_since(since)).unwrap_or_default())
    }

    /// Whether nothing goes to it, apart from one delivery to find out.
    pub(crate) fn is_out(&self) -> bool {
        self.maintenance.is_some()
            || matches!(self.standing, Standing::Open { .. } | Standing::HalfOpen)
    }
}

impl Gates {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Gate>> {
        // A panic elsewhere leaves whole machines behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a peer looks now; one of which nothing is known is taken to be there.
    pub(crate) fn look(&self, traffic: &Traffic, peer: &str, now: Timestamp) -> Look {
        let limits = traffic.of(peer).0;
        let mut gates = self.all();
        let mut fresh = None;
        let gate = match gates.get_mut(peer) {
            Some(gate) => gate,
            None => fresh.insert(Gate::new(limits, now)),
        };
        let rate_opens = gate.rate_opens(limits, now);
        let breaker = gate.breaker();
        let out_since = breaker.open_for(now).and_then(|out| now.checked_sub(out).ok());
        let standing = breaker.standing(now);
        let maintenance = limits.windows.maintenance(now);
        Look { standing, out_since, maintenance, rate_opens }
    }

    /// The peers to which nothing goes, by name.
    pub(super) fn shut(&self, traffic: &Traffic, now: Timestamp) -> Vec<String> {
        let mut gates = self.all();
        let shut = |(peer, gate): (&String, &mut Gate)| {
            gate.shut(traffic.of(peer).0, now).map(|_| peer.clone())
        };
        let mut peers: Vec<String> = gates.iter_mut().filter_map(shut).collect();
        peers.sort_unstable();
        peers
    }

    /// The peers in force, with the limits in force; what is known of one that stays is kept.
    pub(super) fn know(&self, tables: &InForce, now: Timestamp) {
        let mut gates = self.all();
        gates.retain(|peer, _| tables.outlets.contains_key(peer));
        for peer in tables.outlets.keys() {
            let (limits, _) = tables.delivery.traffic.of(peer);
            match gates.get_mut(peer) {
                Some(gate) => gate.set(limits, now),
                None => drop(gates.insert(peer.clone(), Gate::new(limits, now))),
            }
        }
    }

    /// What is free of `parallel` slots while one delivery is under way to each of `peers`. A peer
    /// for which no rule says otherwise gets half of all: while it hangs, the others have the rest.
    /// Where less may go to it now, by its rate, its breaker or its maintenance, the difference
    /// counts as taken.
    pub(super) fn slots<'p>(
        &self,
        traffic: &Traffic,
        parallel: u32,
        peers: impl Iterator<Item = &'p str>,
        now: Timestamp,
    ) -> Slots {
        let half = (parallel / 2).max(1);
        let mut taken: BTreeMap<&str, u32> = BTreeMap::new();
        for peer in peers {
            *taken.entry(peer).or_default() += 1;
        }
        let free = parallel.saturating_sub(taken.values().sum());
        let mut rooms: BTreeMap<String, u32> = BTreeMap::new();
        for (peer, gate) in &mut *self.all() {
            let under_way = taken.remove(peer.as_str()).unwrap_or(0);
            let room = gate.room(traffic.of(peer).0, half, under_way, now);
            rooms.insert(peer.clone(), room.min(free));
        }
        // Those that have left the tables: what is leased for them goes to a person.
        for (peer, under_way) in taken {
            rooms.insert(peer.to_owned(), half.saturating_sub(under_way).min(free));
        }
        let per_peer = rooms.values().copied().chain([half]).max().unwrap_or(half);
        let taken = rooms.into_iter().map(|(peer, room)| (peer, per_peer - room)).collect();
        Slots { free, per_peer, taken, shares: Vec::new() }
    }

    /// A delivery to a peer begins.
    pub(crate) fn begin(&self, traffic: &Traffic, peer: &str, now: Timestamp) -> Ticket {
        let gate = || Gate::new(traffic.of(peer).0, now);
        self.all().entry(peer.to_owned()).or_insert_with(gate).begin(now)
    }

    /// It has ended.
    pub(crate) fn end(&self, peer: &str, ticket: Ticket, outcome: Outcome, now: Timestamp) {
        let mut gates = self.all();
        let Some(gate) = gates.get_mut(peer) else { return };
        let before = gate.breaker().standing(now);
        gate.end(ticket, outcome, now);
        match (before, gate.breaker().standing(now)) {
            (before, after) if before == after => {}
            (_, Standing::Open { until }) => {
                tracing::warn!(peer, ?outcome, %until, "the peer is out: nothing goes to it");
            }
            (_, Standing::Draining { pace }) => {
                tracing::info!(peer, pace, "the peer is back: what waits for it goes at a pace");
            }
            (_, Standing::Closed | Standing::HalfOpen) => {}
        }
    }

    /// When the first of them opens that is shut now.
    pub(super) fn wake_at(&self, traffic: &Traffic, now: Timestamp) -> Option<Timestamp> {
        let wake = |(peer, gate): (&String, &mut Gate)| gate.wake_at(traffic.of(peer).0, now);
        self.all().iter_mut().filter_map(wake).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::delivery::traffic::{Limits, Recipient};
    use amtsbote_domain::policy::Pattern;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant")
    }

    /// Gates for these peers, of which nothing is known.
    fn gates(traffic: &Traffic, peers: &[&str]) -> Gates {
        let gate = |peer: &&str| ((*peer).to_owned(), Gate::new(traffic.of(peer).0, at(0)));
        Gates(Mutex::new(peers.iter().map(gate).collect()))
    }

    #[test]
    fn a_peer_gets_half_of_the_slots_at_most() {
        for (parallel, peers, free, far, near) in [
            (16, vec![], 16, 8, 8),
            (16, vec!["far"; 8], 8, 0, 8),
            (16, [vec!["far"; 8], vec!["near"; 5]].concat(), 3, 0, 3),
            (16, vec!["far"; 16], 0, 0, 0),
            (3, vec!["far"], 2, 0, 1),
            (1, vec![], 1, 1, 1),
        ] {
            // Also where one of them is in the tables no more.
            for known in [&["far", "near"][..], &["near"]] {
                let traffic = Traffic::default();
                let gates = gates(&traffic, known);
                let slots = gates.slots(&traffic, parallel, peers.iter().copied(), at(0));
                let got = (slots.free, slots.room_for("far"), slots.room_for("near"));
                assert_eq!(got, (free, far, near), "{parallel} {peers:?} {known:?}");
            }
        }
    }

    #[test]
    fn a_rule_gives_a_peer_more_or_less_than_half() {
        let rule = |peer: &str, parallel, rate| Recipient {
            name: peer.to_owned(),
            peer: Pattern::parse(peer).expect("a pattern"),
            limits: Limits { parallel, rate, ..Limits::default() },
        };
        let list = vec![rule("far", Some(12), None), rule("slow", Some(2), Some(1))];
        let traffic = Traffic::new(list, Limits::default());
        let gates = gates(&traffic, &["far", "slow", "near"]);
        let room = |peers: &[&str], second| {
            let slots = gates.slots(&traffic, 16, peers.iter().copied(), at(second));
            ["far", "slow", "near"].map(|peer| slots.room_for(peer))
        };
        assert_eq!(room(&[], 0), [12, 1, 8]);
        gates.begin(&traffic, "slow", at(0));
        assert_eq!(room(&["slow"], 0), [12, 0, 8]);
        assert_eq!(gates.wake_at(&traffic, at(0)), Some(at(1)));
        assert_eq!(room(&["slow"], 1), [12, 1, 8]);
        assert_eq!(room(&["slow", "slow"], 2), [12, 0, 8]);
    }

    #[test]
    fn a_peer_that_is_out_gets_one_delivery_to_find_out() {
        let traffic = Traffic::default();
        let gates = gates(&traffic, &["far", "near"]);
        let settings = Limits::default().breaker;
        for _ in 0..settings.failures {
            let ticket = gates.begin(&traffic, "far", at(0));
            gates.end("far", ticket, Outcome::NothingLeft, at(0));
        }
        let room = |now: Timestamp| {
            let slots = gates.slots(&traffic, 16, [].into_iter(), now);
            (slots.room_for("far"), slots.room_for("near"))
        };
        assert_eq!(room(at(0)), (0, 8));
        let opens = at(0) + settings.first_pause;
        assert_eq!(room(opens), (1, 8));
        assert_eq!(gates.wake_at(&traffic, at(0)), None, "time only goes on");
        gates.begin(&traffic, "far", opens);
        assert_eq!(gates.slots(&traffic, 16, ["far"].into_iter(), opens).room_for("far"), 0);
        let look = gates.look(&traffic, "far", opens);
        assert_eq!((look.standing, look.out_since), (Standing::HalfOpen, Some(at(0))));
        assert_eq!(look.open_for(opens), Some(settings.first_pause));
        assert!(look.is_out() && !gates.look(&traffic, "near", opens).is_out());
        assert_eq!(gates.shut(&traffic, opens), ["far"]);
    }
}
