//! Numbers that look random and are the same for the same seed (SplitMix64).

#[derive(Clone)]
pub(crate) struct Random(Option<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(Some(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66))
    }

    /// Always the least, for a world in which nothing is left to chance.
    pub(crate) fn least() -> Random {
        Random(None)
    }

    fn next(&mut self) -> u64 {
        let Some(state) = &mut self.0 else { return 0 };
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Of 0 to `end`, without it.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// From `start` to `end`, both counted.
    pub(crate) fn between(&mut self, start: i64, end: i64) -> i64 {
        start + (self.next() % (end - start + 1).unsigned_abs()) as i64
    }

    /// At least 0 and less than 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True so many times in a thousand.
    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.next() % 1000 < per_mille
    }
}
