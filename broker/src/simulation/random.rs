//! The one source of chance in a run.

/// SplitMix64: small, fast, and the same on every machine.
pub(super) struct Random(u64);

impl Random {
    /// The course of events of this seed.
    pub(super) fn new(seed: u64) -> Self {
        // Seeds that are neighbours must not begin alike.
        let mut random = Self(seed ^ 0x005e_edca_5e50_f001);
        random.next();
        random
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything_and_seeds_differ() {
        let first = |seed| Random::new(seed).next();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..1000).map(|_| random.between(3, 5)).collect();
        assert!((3..=5).all(|n| drawn.contains(&n)) && drawn.iter().all(|n| (3..=5).contains(n)));
    }
}
