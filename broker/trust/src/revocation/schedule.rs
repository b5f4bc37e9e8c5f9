//! When a source is asked again. No clock, no randomness: both are handed in.

use amtsbote_domain::Timestamp;
use jiff::SignedDuration;

/// How often sources are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// No source is asked again before this, however short its statements live.
    pub shortest: SignedDuration,
    /// Every source is asked again after this at the latest, however long its statements live: it is
    /// the time until a revocation is seen.
    pub longest: SignedDuration,
    /// The first pause after a failure; it doubles with each further one.
    pub first_pause: SignedDuration,
    /// The longest pause after failures.
    pub longest_pause: SignedDuration,
}

impl Default for Rhythm {
    /// Between 5 minutes and 6 hours; after failures from 30 seconds to one hour.
    fn default() -> Self {
        Self {
            shortest: SignedDuration::from_mins(5),
            longest: SignedDuration::from_hours(6),
            first_pause: SignedDuration::from_secs(30),
            longest_pause: SignedDuration::from_hours(1),
        }
    }
}

impl Rhythm {
    /// After a success: half-way through the validity of the statement, or of what is left of it;
    /// up to a tenth earlier by chance, so that hubs do not ask all at once.
    pub(crate) fn after_success(
        &self,
        now: Timestamp,
        as_of: Timestamp,
        fresh_until: Timestamp,
        chance: u8,
    ) -> Timestamp {
        let half = as_of.duration_until(fresh_until) / 2;
        let half_way = now.duration_until(as_of) + half;
        let pause = match half_way.is_positive() {
            true => half_way,
            false => now.duration_until(fresh_until) / 2,
        };
        let pause = earlier(pause.max(self.shortest).min(self.longest), chance);
        now.saturating_add(pause).unwrap_or(now)
    }

    /// After a failure, the `failures`th in a row.
    pub(crate) fn after_failure(&self, now: Timestamp, failures: u32, chance: u8) -> Timestamp {
        let doublings = failures.saturating_sub(1).min(16);
        let pause = self.first_pause * (1 << doublings);
        now.saturating_add(earlier(pause.min(self.longest_pause), chance)).unwrap_or(now)
    }
}

fn earlier(pause: SignedDuration, chance: u8) -> SignedDuration {
    pause - pause * i32::from(chance) / (10 * 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("an instant")
    }

    #[test]
    fn half_of_the_validity_and_never_too_early_or_late() {
        let rhythm = Rhythm::default();
        let hour = 3600;
        let next = |now, from, until| rhythm.after_success(at(now), at(from), at(until), 0);
        assert_eq!(next(0, 0, 4 * hour), at(2 * hour));
        assert_eq!(next(hour, 0, 4 * hour), at(2 * hour));
        assert_eq!(next(3 * hour, 0, 4 * hour), at(3 * hour + hour / 2));
        assert_eq!(next(0, 0, 1000 * hour), at(6 * hour));
        assert_eq!(next(0, 0, 60), at(300));
        assert_eq!(next(0, -100, -50), at(300));
    }

    #[test]
    fn pauses_double_up_to_an_hour_and_chance_makes_them_shorter() {
        let rhythm = Rhythm::default();
        let pauses: Vec<i64> =
            (1..=9).map(|failures| rhythm.after_failure(at(0), failures, 0).as_second()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(rhythm.after_failure(at(0), u32::MAX, 0), at(3600));
        let early = rhythm.after_failure(at(0), 9, 255).as_second();
        assert!((3600 - 361..3600 - 355).contains(&early), "{early}");
    }
}
