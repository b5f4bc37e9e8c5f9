//! The slots of a node, shared among peers and lanes: urgent work first, and nobody starves.
//!
//! Two things can be short. Where the slots of the node are, the lanes of all peers take turns for
//! them, by the weights of the lanes. Where what a peer bears is, its lanes take turns at that peer:
//! each peer has a turn of its own. Both are kept from one call to the next.

use std::collections::BTreeMap;

use super::lane::{Lanes, MAX_ROOM, Turn};

/// What waits for one peer, and for how much of it there is room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The peer.
    pub peer: String,
    /// So many may go to it now.
    pub room: u32,
    /// How many wait in each lane, in the order of the lanes; one more than there is room says as
    /// much as all of them.
    pub waiting: Vec<u32>,
}

impl Demand {
    fn wants(&self, lane: usize) -> bool {
        self.room > 0 && self.waiting.get(lane).is_some_and(|waiting| *waiting > 0)
    }
}

/// How far a lane of weight 1 moves on with each delivery.
const STRIDE: u64 = 1_000_000;

/// Whose turn it is.
#[derive(Clone, Debug, Default)]
pub struct Fair {
    /// Each lane of each peer.
    passed: BTreeMap<(String, usize), Passed>,
    /// How far the furthest of them has come.
    furthest: u64,
    /// Grows with every slot that was given.
    given: u64,
    peers: BTreeMap<String, Turn>,
}

/// How far a lane of a peer has come: stride scheduling (Waldspurger and Weihl, 1995). The one that
/// is furthest behind gets the next slot.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    way: u64,
    /// When it last had a slot.
    at: u64,
}

impl Fair {
    /// Forgets the turns of peers that are no more.
    pub fn keep(&mut self, known: impl Fn(&str) -> bool) {
        self.peers.retain(|peer, _| known(peer));
        self.passed.retain(|(peer, _), _| known(peer));
    }

    /// How many of each lane go to each peer, where there is room for `free` in all, of which at
    /// most [`MAX_ROOM`] are shared out. Nothing is left free while anything that has room waits.
    pub fn share(&mut self, lanes: &Lanes, demands: &[Demand], free: u32) -> Vec<Vec<u32>> {
        let weights: Vec<u32> = lanes.iter().map(|(_, weight)| weight).collect();
        let mut left: Vec<Demand> = demands.to_vec();
        left.iter_mut().for_each(|demand| demand.waiting.resize(weights.len(), 0));
        let mut passed: Vec<Vec<Passed>> = left.iter().map(|demand| self.of(demand)).collect();
        let mut given = vec![vec![0; weights.len()]; demands.len()];
        for _ in 0..free.min(MAX_ROOM) {
            let Some((at, lane)) = self.next(&left, &passed) else { break };
            self.move_on(&mut passed[at][lane], weights[lane]);
            let demand = &mut left[at];
            // The peer got the slot for this lane's sake; its own turn says what goes.
            let turn = self.peers.entry(demand.peer.clone()).or_default();
            let own = lanes.share(turn, &demand.waiting, 1);
            let Some(lane) = own.iter().position(|count| *count > 0) else { break };
            demand.room -= 1;
            demand.waiting[lane] -= 1;
            given[at][lane] += 1;
        }
        for (Demand { peer, .. }, passed) in left.into_iter().zip(passed) {
            let numbered = passed.into_iter().enumerate();
            self.passed.extend(numbered.map(|(lane, passed)| ((peer.clone(), lane), passed)));
        }
        given
    }

    /// How far the lanes of a peer have come.
    fn of(&self, demand: &Demand) -> Vec<Passed> {
        // A lane that nothing has gone out of has passed nothing.
        let of = |lane| self.passed.get(&(demand.peer.clone(), lane)).copied();
        (0..demand.waiting.len()).map(|lane| of(lane).unwrap_or_default()).collect()
    }

    /// What lies further back counts as this: a lane saves up no more than one delivery of the slowest,
    /// so that one that was empty all night has nothing to catch up with.
    fn least(&self) -> u64 {
        self.furthest.saturating_sub(STRIDE)
    }

    /// Which lane of which peer is furthest behind, of those that wait where there is room; of several
    /// the one that has waited longest, which is why none starves, however the room comes and goes.
    fn next(&self, demands: &[Demand], passed: &[Vec<Passed>]) -> Option<(usize, usize)> {
        let behind = |(at, lane): &(usize, usize)| {
            let Passed { way, at } = passed[*at][*lane];
            (way.max(self.least()), at)
        };
        let wanting = demands.iter().enumerate().flat_map(|(at, demand)| {
            let lanes = (0..demand.waiting.len()).filter(|lane| demand.wants(*lane));
            lanes.map(move |lane| (at, lane))
        });
        wanting.min_by_key(behind)
    }

    fn move_on(&mut self, passed: &mut Passed, weight: u32) {
        self.given += 1;
        let way = passed.way.max(self.least());
        self.furthest = self.furthest.max(way);
        *passed = Passed { way: way + STRIDE / u64::from(weight), at: self.given };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand(peer: &str, room: u32, waiting: [u32; 3]) -> Demand {
        Demand { peer: peer.to_owned(), room, waiting: waiting.to_vec() }
    }

    fn lanes() -> Lanes {
        Lanes::default()
    }

    #[test]
    fn with_room_for_all_every_peer_gets_what_it_bears() {
        let demands = [demand("a", 4, [5, 5, 5]), demand("b", 2, [0, 0, 3])];
        let given = Fair::default().share(&lanes(), &demands, 16);
        assert_eq!(given, [[4, 0, 0], [0, 0, 2]]);
    }

    #[test]
    fn slots_that_are_short_go_by_the_weights_of_the_lanes() {
        let demands = [demand("a", 100, [101, 0, 0]), demand("b", 100, [0, 0, 101])];
        let mut fair = Fair::default();
        let given = fair.share(&lanes(), &demands, 34);
        assert_eq!(given, [[32, 0, 0], [0, 0, 2]]);
        // One slot at a time is shared no differently.
        let mut fair = Fair::default();
        let mut sums = [0, 0];
        for _ in 0..34 {
            let given = fair.share(&lanes(), &demands, 1);
            sums[0] += given[0][0];
            sums[1] += given[1][2];
        }
        assert_eq!(sums, [32, 2]);
    }

    #[test]
    fn a_peer_that_bears_one_at_a_time_gets_of_every_lane() {
        let mut fair = Fair::default();
        let mut sums = [0; 3];
        for _ in 0..21 * 4 {
            // Much room elsewhere: only what this peer bears is short.
            let demands = [demand("slow", 1, [2, 2, 2])];
            let given = fair.share(&lanes(), &demands, 16);
            (0..3).for_each(|lane| sums[lane] += given[0][lane]);
        }
        assert_eq!(sums, [64, 16, 4]);
    }

    #[test]
    fn who_is_equally_far_behind_goes_by_how_long_it_waited() {
        let mut fair = Fair::default();
        let mut sums = [0, 0];
        for _ in 0..10 {
            // Work elsewhere leaves both as far behind as anybody may be.
            fair.share(&lanes(), &[demand("fast", 8, [0, 0, 9])], 8);
            let both = [demand("m", 1, [0, 0, 2]), demand("n", 1, [0, 0, 2])];
            let given = fair.share(&lanes(), &both, 1);
            (0..2).for_each(|at| sums[at] += given[at][2]);
        }
        assert_eq!(sums, [5, 5]);
    }

    proptest! {
        #[test]
        fn nothing_is_overrun_and_nothing_left_free(
            rooms in prop::collection::vec((0u32..6, [0u32..8, 0..8, 0..8]), 0..6),
            rounds in prop::collection::vec(0u32..12, 1..6),
        ) {
            let mut fair = Fair::default();
            let demands: Vec<Demand> = rooms
                .iter()
                .enumerate()
                .map(|(n, (room, waiting))| demand(&format!("p{n}"), *room, *waiting))
                .collect();
            for free in rounds {
                let given = fair.share(&lanes(), &demands, free);
                let mut sum = 0;
                let mut possible = 0;
                for (demand, given) in demands.iter().zip(&given) {
                    let own: u32 = given.iter().sum();
                    prop_assert!(own <= demand.room);
                    for (waiting, given) in demand.waiting.iter().zip(given) {
                        prop_assert!(given <= waiting);
                    }
                    sum += own;
                    possible += demand.room.min(demand.waiting.iter().sum());
                }
                prop_assert_eq!(sum, free.min(possible));
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn nobody_starves(
            rooms in prop::collection::vec((0u32..4, [any::<bool>(), any::<bool>(), any::<bool>()]), 1..5),
            free in 1u32..4,
        ) {
            let mut fair = Fair::default();
            let mut sums = vec![[0u32; 3]; rooms.len()];
            // Far more rounds than everybody together may go before one.
            for round in 0..21 * 40 {
                let demands: Vec<Demand> = rooms
                    .iter()
                    .enumerate()
                    .map(|(n, (room, wants))| {
                        // What a peer bears comes and goes.
                        let room = if round % 2 == 0 { 1 + room } else { *room };
                        demand(&format!("p{n}"), room, wants.map(|wants| u32::from(wants) * (room + 1)))
                    })
                    .collect();
                let given = fair.share(&lanes(), &demands, free);
                for (sum, given) in sums.iter_mut().zip(given) {
                    (0..3).for_each(|lane| sum[lane] += given[lane]);
                }
            }
            for ((_, wants), sum) in rooms.iter().zip(&sums) {
                for lane in 0..3 {
                    prop_assert!(!wants[lane] || sum[lane] > 0, "{sums:?}");
                }
            }
        }
    }
}
