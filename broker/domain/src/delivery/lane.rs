//! Lanes: which work comes first when there is more of it than room, and that none starves.
//!
//! Deficit round robin (Shreedhar and Varghese, 1995) over the lanes in their order: a lane whose
//! turn it is may send as many as its weight says, then the next one has its turn. What has nothing
//! waiting is passed over and saves nothing up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most lanes.
pub const MAX_LANES: usize = 16;
/// Greatest weight of a lane.
pub const MAX_WEIGHT: u32 = 1_000;
/// Most deliveries that are shared out at once.
pub const MAX_ROOM: u32 = 10_000;

/// The name of a lane: 1 to 32 small letters, digits and hyphens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LaneName(String);

impl LaneName {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, BadLanes> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=32).contains(&text.len()) && text.chars().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadLanes::Name)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LaneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LaneName {
    type Error = BadLanes;
    fn try_from(text: String) -> Result<Self, BadLanes> {
        Self::parse(&text)
    }
}

impl From<LaneName> for String {
    fn from(name: LaneName) -> Self {
        name.0
    }
}

/// Lanes that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLanes {
    /// The name is none.
    #[error("a lane's name is 1 to 32 small letters, digits and hyphens")]
    Name,
    /// None, or too many.
    #[error("there are 1 to {MAX_LANES} lanes")]
    Count,
    /// It would starve, or starve the others for long.
    #[error("the weight of a lane is 1 to {MAX_WEIGHT}")]
    Weight,
    /// Two lanes of one name.
    #[error("a lane is listed twice")]
    Twice,
}

/// The lanes of a node, those that come first in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes(Vec<(LaneName, u32)>);

impl Default for Lanes {
    /// Registers before elections before everything in bulk.
    fn default() -> Self {
        let lane = |name: &str, weight| (LaneName(name.to_owned()), weight);
        Self(vec![lane("registry", 16), lane("elections", 4), lane("bulk", 1)])
    }
}

/// Whose turn it is, and how much is left of it; kept from one call to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    lane: usize,
    /// None: the turn has not begun.
    left: Option<u32>,
}

impl Lanes {
    /// These, with their weights.
    pub fn new(lanes: Vec<(LaneName, u32)>) -> Result<Self, BadLanes> {
        if !(1..=MAX_LANES).contains(&lanes.len()) {
            return Err(BadLanes::Count);
        }
        for (n, (name, weight)) in lanes.iter().enumerate() {
            if !(1..=MAX_WEIGHT).contains(weight) {
                return Err(BadLanes::Weight);
            }
            if lanes[..n].iter().any(|(other, _)| other == name) {
                return Err(BadLanes::Twice);
            }
        }
        Ok(Self(lanes))
    }

    /// Names and weights, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&LaneName, u32)> {
        self.0.iter().map(|(name, weight)| (name, *weight))
    }

    /// Where a lane stands; work of no lane, or of one that is gone, goes in the last.
    pub fn place(&self, name: Option<&LaneName>) -> usize {
        let known = name.and_then(|name| self.0.iter().position(|(own, _)| own == name));
        known.unwrap_or(self.0.len() - 1)
    }

    /// How many of each lane go, when `waiting` says how many of each there are and there is room
    /// for so many in all, of which at most [`MAX_ROOM`] are shared out. Nothing is left free while
    /// anything waits.
    pub fn share(&self, turn: &mut Turn, waiting: &[u32], room: u32) -> Vec<u32> {
        let count = self.0.len();
        let mut left: Vec<u32> =
            (0..count).map(|lane| waiting.get(lane).copied().unwrap_or(0)).collect();
        let mut given = vec![0; count];
        let mut room = room.min(MAX_ROOM);
        turn.lane %= count;
        while room > 0 && left.iter().any(|waiting| *waiting > 0) {
            let lane = turn.lane;
            let allowed = turn.left.unwrap_or(self.0[lane].1);
            let now = left[lane].min(allowed).min(room);
            left[lane] -= now;
            given[lane] += now;
            room -= now;
            if now == allowed || left[lane] == 0 {
                *turn = Turn { lane: (lane + 1) % count, left: None };
            } else {
                turn.left = Some(allowed - now);
            }
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lanes(weights: &[u32]) -> Result<Lanes, BadLanes> {
        let name = |n| LaneName::parse(&format!("lane-{n}")).expect("a name");
        Lanes::new(weights.iter().enumerate().map(|(n, weight)| (name(n), *weight)).collect())
    }

    #[test]
    fn room_is_shared_by_weight_in_order() {
        let own = lanes(&[4, 2, 1]).expect("lanes");
        for (waiting, room, wanted) in [
            ([100, 100, 100], 7, [4, 2, 1]),
            ([100, 100, 100], 14, [8, 4, 2]),
            ([100, 100, 100], 3, [3, 0, 0]),
            ([1, 100, 100], 7, [1, 4, 2]),
            ([0, 0, 9], 7, [0, 0, 7]),
            ([0, 0, 3], 7, [0, 0, 3]),
            ([0, 0, 0], 7, [0, 0, 0]),
            ([5, 5, 5], 0, [0, 0, 0]),
        ] {
            let given = own.share(&mut Turn::default(), &waiting, room);
            assert_eq!(given, wanted, "{waiting:?} {room}");
        }
    }

    #[test]
    fn with_room_for_one_each_lane_still_has_its_turn() {
        let own = lanes(&[2, 1, 1]).expect("lanes");
        let mut turn = Turn::default();
        let went: Vec<usize> = (0..8)
            .map(|_| {
                let given = own.share(&mut turn, &[9, 9, 9], 1);
                given.iter().position(|count| *count == 1).expect("one went")
            })
            .collect();
        assert_eq!(went, [0, 0, 1, 2, 0, 0, 1, 2]);
    }

    #[test]
    fn lanes_that_cannot_work_are_refused() {
        assert_eq!(lanes(&[]), Err(BadLanes::Count));
        assert_eq!(lanes(&[1; 17]), Err(BadLanes::Count));
        assert_eq!(lanes(&[1, 0]), Err(BadLanes::Weight));
        assert_eq!(lanes(&[1_001]), Err(BadLanes::Weight));
        let twice = LaneName::parse("bulk").expect("a name");
        assert_eq!(Lanes::new(vec![(twice.clone(), 1), (twice, 2)]), Err(BadLanes::Twice));
        for bad in ["", "Bulk", "a b", "a*", &"a".repeat(33)] {
            assert_eq!(LaneName::parse(bad), Err(BadLanes::Name), "{bad:?}");
        }
        let own = Lanes::default();
        let place = |name| own.place(Some(&LaneName::parse(name).expect("a name")));
        assert_eq!((place("registry"), place("elections"), place("bulk")), (0, 1, 2));
        assert_eq!((place("gone"), own.place(None)), (2, 2));
    }

    proptest! {
        #[test]
        fn nothing_is_invented_and_no_room_is_wasted(
            weights in prop::collection::vec(1u32..20, 1..8),
            calls in prop::collection::vec((prop::collection::vec(0u32..50, 0..10), 0u32..100), 1..20),
        ) {
            let own = lanes(&weights).expect("lanes");
            let mut turn = Turn::default();
            for (waiting, room) in calls {
                let given = own.share(&mut turn, &waiting, room);
                prop_assert_eq!(given.len(), weights.len());
                for (lane, given) in given.iter().enumerate() {
                    prop_assert!(*given <= waiting.get(lane).copied().unwrap_or(0));
                }
                let known: u32 = waiting.iter().take(weights.len()).sum();
                prop_assert_eq!(given.iter().sum::<u32>(), known.min(room));
            }
        }

        /// However the room comes, a lane that never runs out has gone at least its weight each time
        /// that as many went in all as all weights together.
        #[test]
        fn no_lane_starves(
            weights in prop::collection::vec(1u32..20, 1..8),
            others in prop::collection::vec(prop::collection::vec(0u32..30, 8), 1..60),
            rooms in prop::collection::vec(1u32..40, 60),
            which in 0usize..8,
        ) {
            let own = lanes(&weights).expect("lanes");
            let which = which % weights.len();
            let all: u32 = weights.iter().sum();
            let mut turn = Turn::default();
            let (mut went, mut mine) = (0, 0);
            for (mut waiting, room) in others.into_iter().zip(rooms) {
                waiting.truncate(weights.len());
                waiting[which] = 10_000;
                let given = own.share(&mut turn, &waiting, room);
                went += given.iter().sum::<u32>();
                mine += given[which];
                prop_assert!(mine >= went / all * weights[which], "{mine} of {went}");
            }
        }
    }
}
