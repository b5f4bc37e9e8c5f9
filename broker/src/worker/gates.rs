//! What each peer bears at the moment: room by its slots, its rate, its breaker, its maintenance.
//!
//! Known to one node alone and while it runs; the machines behind it are in `domain::delivery`.

use std::collections::HashMap;

use amtsbote_domain::Timestamp;
use amtsbote_domain::delivery::breaker::{Outcome, Standing, Ticket};
use amtsbote_domain::delivery::traffic::{Gate, Traffic};
use amtsbote_domain::ports::Slots;

use crate::tables::InForce;

/// What is known of each peer while this node runs. A node that starts knows nothing and finds out.
#[derive(Default)]
pub(super) struct Gates(HashMap<String, Gate>);

impl Gates {
    /// The peers in force, with the limits in force; what is known of one that stays is kept.
    pub(super) fn know(&mut self, tables: &InForce, now: Timestamp) {
        self.0.retain(|peer, _| tables.outlets.contains_key(peer));
        for peer in tables.outlets.keys() {
            let (limits, _) = tables.delivery.traffic.of(peer);
            match self.0.get_mut(peer) {
                Some(gate) => gate.set(limits, now),
                None => drop(self.0.insert(peer.clone(), Gate::new(limits, now))),
            }
        }
    }

    /// What is free of `parallel` slots while one delivery is under way to each of `peers`. A peer
    /// for which no rule says otherwise gets half of all: while it hangs, the others have the rest.
    /// Where less may go to it now, by its rate, its breaker or its maintenance, the difference
    /// counts as taken.
    pub(super) fn slots<'p>(
        &mut self,
        traffic: &Traffic,
        parallel: u32,
        peers: impl Iterator<Item = &'p str>,
        now: Timestamp,
    ) -> Slots {
        let half = (parallel / 2).max(1);
        let mut taken: HashMap<&str, u32> = HashMap::new();
        for peer in peers {
            *taken.entry(peer).or_default() += 1;
        }
        let free = parallel.saturating_sub(taken.values().sum());
        let mut rooms: HashMap<String, u32> = HashMap::new();
        for (peer, gate) in &mut self.0 {
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
        Slots { free, per_peer, taken }
    }

    /// A delivery to a peer begins.
    pub(super) fn begin(&mut self, traffic: &Traffic, peer: &str, now: Timestamp) -> Ticket {
        let gate = || Gate::new(traffic.of(peer).0, now);
        self.0.entry(peer.to_owned()).or_insert_with(gate).begin(now)
    }

    /// It has ended.
    pub(super) fn end(&mut self, peer: &str, ticket: Ticket, outcome: Outcome, now: Timestamp) {
        let Some(gate) = self.0.get_mut(peer) else { return };
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
    pub(super) fn wake_at(&mut self, traffic: &Traffic, now: Timestamp) -> Option<Timestamp> {
        let wake = |(peer, gate): (&String, &mut Gate)| gate.wake_at(traffic.of(peer).0, now);
        self.0.iter_mut().filter_map(wake).min()
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
        Gates(peers.iter().map(gate).collect())
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
                let mut gates = gates(&traffic, known);
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
        let mut gates = gates(&traffic, &["far", "slow", "near"]);
        let room = |gates: &mut Gates, peers: &[&str], second| {
            let slots = gates.slots(&traffic, 16, peers.iter().copied(), at(second));
            ["far", "slow", "near"].map(|peer| slots.room_for(peer))
        };
        assert_eq!(room(&mut gates, &[], 0), [12, 1, 8]);
        gates.begin(&traffic, "slow", at(0));
        assert_eq!(room(&mut gates, &["slow"], 0), [12, 0, 8]);
        assert_eq!(gates.wake_at(&traffic, at(0)), Some(at(1)));
        assert_eq!(room(&mut gates, &["slow"], 1), [12, 1, 8]);
        assert_eq!(room(&mut gates, &["slow", "slow"], 2), [12, 0, 8]);
    }

    #[test]
    fn a_peer_that_is_out_gets_one_delivery_to_find_out() {
        let traffic = Traffic::default();
        let mut gates = gates(&traffic, &["far", "near"]);
        let settings = Limits::default().breaker;
        for _ in 0..settings.failures {
            let ticket = gates.begin(&traffic, "far", at(0));
            gates.end("far", ticket, Outcome::NothingLeft, at(0));
        }
        let mut room = |now: Timestamp| {
            let slots = gates.slots(&traffic, 16, [].into_iter(), now);
            (slots.room_for("far"), slots.room_for("near"))
        };
        assert_eq!(room(at(0)), (0, 8));
        let opens = at(0) + settings.first_pause;
        assert_eq!(room(opens), (1, 8));
        assert_eq!(gates.wake_at(&traffic, at(0)), None, "time only goes on");
        gates.begin(&traffic, "far", opens);
        assert_eq!(gates.slots(&traffic, 16, ["far"].into_iter(), opens).room_for("far"), 0);
    }
}
