//! How long to wait for the next attempt. The jitter comes from the id: no randomness.

use std::time::Duration;

use jiff::Timestamp;

use crate::identity::HubId;

/// Longest wait that a peer may ask for: one that is mistaken must not park a message for years.
pub const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3_600);

/// Waits between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// After the first failed attempt; doubles with every further one.
    pub first: Duration,
    /// The longest, without jitter.
    pub longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { first: Duration::from_secs(5), longest: Duration::from_secs(3_600) }
    }
}

impl Waits {
    /// When to try again after the attempt of this number, from 1, failed at `now`: doubling waits
    /// with up to a quarter of jitter, so that what failed together does not return together; never
    /// before the peer asked for it, in seconds.
    pub fn retry_at(
        &self,
        hub_id: &HubId,
        attempt: u32,
        asked: Option<u32>,
        now: Timestamp,
    ) -> Timestamp {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let wait = doubled.min(self.longest);
        let spread = spread(hub_id, attempt);
        let wait = wait.saturating_add(wait / 4 * spread / 256);
        now.checked_add(wait.max(asked_for(asked))).unwrap_or(Timestamp::MAX)
    }
}

/// What a peer asked for, as far as it may.
pub(super) fn asked_for(seconds: Option<u32>) -> Duration {
    Duration::from_secs(seconds.unwrap_or(0).into()).min(LONGEST_ASKED)
}

/// 0 to 255, from the id and the attempt.
fn spread(hub_id: &HubId, attempt: u32) -> u32 {
    let mix = |sum: u32, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
    hub_id.as_str().bytes().fold(attempt, mix) % 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn id(number: u32) -> HubId {
        HubId::parse(&format!("0197a2c4-0000-7000-8000-{number:012x}")).expect("an id")
    }

    fn waits(first: u64, longest: u64) -> Waits {
        Waits { first: Duration::from_secs(first), longest: Duration::from_secs(longest) }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_respect_the_peer() {
        let waits = waits(4, 60);
        for (attempt, asked, wanted) in [
            (1, None, 4..=5),
            (2, None, 8..=10),
            (9, None, 60..=75),
            (u32::MAX, None, 60..=75),
            (0, None, 4..=5),
            (1, Some(90), 90..=90),
            (1, Some(1), 4..=5),
            (1, Some(u32::MAX), 24 * 3_600..=24 * 3_600),
        ] {
            let wait = waits.retry_at(&id(1), attempt, asked, NOW).as_second();
            assert!(wanted.contains(&wait), "{attempt} {asked:?}: {wait}");
        }
    }

    #[test]
    fn what_failed_together_does_not_return_together() {
        let waits = waits(3_600, 3_600);
        let mut times: Vec<_> =
            (0..200).map(|n| waits.retry_at(&id(n), 3, None, NOW).as_second()).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 100, "{} different times", times.len());
    }

    proptest! {
        #[test]
        fn a_wait_stays_between_its_bounds(
            number: u32, attempt: u32, first in 0u64..100_000, longest in 0u64..100_000,
            asked: Option<u32>,
        ) {
            let waits = waits(first, longest);
            let at = waits.retry_at(&id(number), attempt, asked, NOW);
            let wait = Duration::try_from(at.duration_since(NOW)).expect("not before");
            let (low, high) = (waits.first.min(waits.longest), waits.longest * 5 / 4);
            prop_assert!(wait >= low);
            prop_assert!(wait <= high.max(asked_for(asked)));
            prop_assert!(wait >= asked_for(asked));
            prop_assert_eq!(at, waits.retry_at(&id(number), attempt, asked, NOW));
        }

        #[test]
        fn the_end_of_time_is_no_fault(number: u32, attempt: u32, asked: Option<u32>) {
            let at = Waits::default().retry_at(&id(number), attempt, asked, Timestamp::MAX);
            prop_assert_eq!(at, Timestamp::MAX);
        }
    }
}
