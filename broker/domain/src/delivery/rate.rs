//! So many in a second: a bucket that fills evenly and holds one second's worth.

use jiff::Timestamp;

/// What may go to one node by its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// In millionths of a delivery.
    level: u64,
    at: Timestamp,
}

const WHOLE: u64 = 1_000_000;

impl Bucket {
    /// A full one.
    pub fn new(per_second: u32, now: Timestamp) -> Self {
        Self { level: u64::from(per_second) * WHOLE, at: now }
    }

    /// How many may go now.
    pub fn room(&mut self, per_second: u32, now: Timestamp) -> u32 {
        self.fill(per_second, now);
        u32::try_from(self.level / WHOLE).unwrap_or(u32::MAX)
    }

    /// So many go; there was room for them.
    pub fn take(&mut self, count: u32) {
        self.level = self.level.saturating_sub(u64::from(count) * WHOLE);
    }

    /// When there is room for one; none where there is now, or never.
    pub fn wake_at(&mut self, per_second: u32, now: Timestamp) -> Option<Timestamp> {
        if self.room(per_second, now) > 0 || per_second == 0 {
            return None;
        }
        let micros = (WHOLE - self.level).div_ceil(per_second.into());
        now.checked_add(std::time::Duration::from_micros(micros)).ok()
    }

    /// A clock that was put back adds nothing, and takes nothing away.
    fn fill(&mut self, per_second: u32, now: Timestamp) {
        let micros = now.duration_since(self.at).as_micros();
        let micros = u64::try_from(micros.clamp(0, i128::from(WHOLE))).unwrap_or(0);
        let full = u64::from(per_second) * WHOLE;
        self.level = (self.level + micros * u64::from(per_second)).min(full);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micro: i64) -> Timestamp {
        Timestamp::from_microsecond(micro).expect("an instant")
    }

    #[test]
    fn it_fills_evenly_and_holds_a_second() {
        let mut bucket = Bucket::new(10, at(0));
        assert_eq!(bucket.room(10, at(0)), 10);
        bucket.take(10);
        for (micro, room) in [(0, 0), (99_999, 0), (100_000, 1), (550_000, 5), (9_000_000, 10)] {
            assert_eq!(bucket.room(10, at(micro)), room, "{micro}");
        }
        bucket.take(10);
        assert_eq!(bucket.wake_at(10, at(9_000_000)), Some(at(9_100_000)));
        assert_eq!(bucket.room(10, at(8_000_000)), 0, "the clock was put back");
        assert_eq!(bucket.room(2, at(60_000_000)), 2, "another rate");
        assert_eq!(bucket.room(0, at(70_000_000)), 0);
        assert_eq!(bucket.wake_at(0, at(70_000_000)), None);
    }

    proptest! {
        #[test]
        fn no_more_than_the_rate_and_one_burst(
            per_second in 1u32..1_000, steps in prop::collection::vec(0i64..500_000, 1..200),
        ) {
            let mut bucket = Bucket::new(per_second, at(0));
            let (mut now, mut gone) = (0, 0u64);
            for step in steps {
                now += step;
                let room = bucket.room(per_second, at(now));
                bucket.take(room);
                gone += u64::from(room);
                let most = u64::from(per_second) * (1_000_000 + now.unsigned_abs()) / 1_000_000;
                prop_assert!(gone <= most, "{gone} of {most}");
                if let Some(wake) = bucket.wake_at(per_second, at(now)) {
                    let mut later = bucket;
                    prop_assert!(later.room(per_second, wake) >= 1);
                }
            }
            // Nothing is lost either, but for what a pause of over a second would have been good for.
            prop_assert!(gone >= u64::from(per_second));
        }
    }
}
