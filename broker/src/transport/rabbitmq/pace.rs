//! Pauses between attempts to connect: longer each time, and not the same at every node.

use std::time::Duration;

use uuid::Uuid;

use super::Timing;

/// How often it failed in a row.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
}

impl Pace {
    /// The pause after a connection that held so long.
    pub(super) fn after(&mut self, held: Duration, timing: &Timing) -> Duration {
        if held >= timing.steady {
            self.failures = 0;
        }
        let longest = timing.first_pause.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let longest = longest.min(timing.longest_pause);
        // Between half of it and all of it: nodes that lost the broker together come back one by
        // one. The upper half of a random UUID is as good as any chance.
        let chance = (Uuid::new_v4().as_u128() >> 112) as u32;
        longest / 2 + longest / 2 * chance / u32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest_and_begin_anew_after_a_good_connection() {
        let timing = Timing::default();
        let (mut pace, short) = (Pace::default(), Duration::ZERO);
        let mut most = timing.first_pause;
        for _ in 0..40 {
            let pause = pace.after(short, &timing);
            assert!(pause >= most / 2 && pause <= most, "{pause:?} {most:?}");
            most = (most * 2).min(timing.longest_pause);
        }
        assert!(pace.after(timing.steady, &timing) <= timing.first_pause);
        let mut others: Vec<Duration> =
            (0..8).map(|_| Pace::default().after(short, &timing)).collect();
        others.dedup();
        assert!(others.len() > 1, "chance has a part in it");
    }
}
