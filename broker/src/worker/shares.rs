//! What waits, as the lanes of the tables in force have it, and what of it is leased.

use std::collections::BTreeMap;

use amtsbote_domain::delivery::fair::{Demand, Fair};
use amtsbote_domain::delivery::lane::{LaneName, Lanes};
use amtsbote_domain::ports::{Share, Slots, Waiting};

/// What waits for one peer, lane by lane in the order of the lanes.
struct Peer {
    counts: Vec<u32>,
    /// Names that count as each lane: its own, and in the last one those that are no more.
    names: Vec<Vec<Option<LaneName>>>,
}

/// How many of each lane of each peer are to be leased.
pub(super) fn shares(
    fair: &mut Fair,
    lanes: &Lanes,
    slots: &Slots,
    waiting: Vec<Waiting>,
) -> Vec<Share> {
    let count = lanes.iter().count();
    let mut peers: BTreeMap<String, Peer> = BTreeMap::new();
    for Waiting { peer, lane, count: waits } in waiting {
        let none = || Peer { counts: vec![0; count], names: vec![vec![]; count] };
        let known = peers.entry(peer).or_insert_with(none);
        let place = lanes.place(lane.as_ref());
        known.counts[place] = known.counts[place].saturating_add(waits);
        known.names[place].push(lane);
    }
    let demand = |(peer, known): (&String, &Peer)| Demand {
        peer: peer.clone(),
        room: slots.room_for(peer),
        waiting: known.counts.clone(),
    };
    let demands: Vec<Demand> = peers.iter().map(demand).collect();
    let given = fair.share(lanes, &demands, slots.free);
    let mut shares = Vec::new();
    for ((peer, known), given) in peers.into_iter().zip(given) {
        let lanes = known.names.into_iter().zip(given).filter(|(_, count)| *count > 0);
        shares.extend(lanes.map(|(lanes, count)| Share { peer: peer.clone(), lanes, count }));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_that_is_no_more_goes_with_the_last() {
        let lane = |name: &str| Some(LaneName::parse(name).expect("a lane"));
        let waits = |peer: &str, lane, count| Waiting { peer: peer.to_owned(), lane, count };
        let waiting = vec![
            waits("far", None, 1),
            waits("far", lane("bulk"), 2),
            waits("far", lane("gone"), 3),
            waits("far", lane("registry"), 9),
            waits("full", lane("registry"), 1),
            waits("near", lane("elections"), 1),
        ];
        let slots = Slots {
            free: 40,
            per_peer: 30,
            taken: vec![("full".to_owned(), 30), ("far".to_owned(), 16)],
            shares: vec![],
        };
        let shares = shares(&mut Fair::default(), &Lanes::default(), &slots, waiting);
        let share = |peer: &str, lanes, count| Share { peer: peer.to_owned(), lanes, count };
        assert_eq!(
            shares,
            [
                share("far", vec![lane("registry")], 9),
                share("far", vec![None, lane("bulk"), lane("gone")], 5),
                share("near", vec![lane("elections")], 1),
            ]
        );
    }
}
