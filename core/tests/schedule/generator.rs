//! Schedules by a seed.

/// SplitMix64: the same schedules in every run.
pub(crate) struct Generator(pub(crate) u64);

impl Generator {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn part(&mut self, first: u64, last: u64, names: &[&str]) -> String {
        let low = self.between(first, last);
        let high = self.between(low, last);
        let named = |number: u64, name: u64| match names.get((number - first) as usize) {
            Some(written) if name == 0 => (*written).to_owned(),
            _ => number.to_string(),
        };
        let (a, b) = (named(low, high % 2), named(high, low % 2));
        match self.below(4) {
            // `SUN-SUN` is the whole week to croner and a Sunday here.
            0 if low < high => format!("{a}-{b}"),
            1 => format!("{low}-{high}/{}", self.between(1, 9)),
            _ => a,
        }
    }

    pub(crate) fn field(&mut self, first: u64, last: u64, names: &[&str]) -> String {
        match self.below(8) {
            0 | 1 => "*".to_owned(),
            2 => format!("*/{}", self.between(1, last)),
            3 => format!("{},{}", self.part(first, last, names), self.part(first, last, names)),
            _ => self.part(first, last, names),
        }
    }

    /// Half of them at one time of the day, as rotations are, most at hours when clocks change.
    pub(crate) fn expression(&mut self) -> String {
        const MONTHS: [&str; 12] =
            ["jan", "Feb", "MAR", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        const DAYS: [&str; 7] = ["SUN", "mon", "Tue", "wed", "thu", "fri", "sat"];
        let (minute, hour) = if self.below(2) == 0 {
            (self.between(0, 59).to_string(), self.pick(&[0, 1, 2, 2, 3, 12, 23]).to_string())
        } else {
            (self.field(0, 59, &[]), self.field(0, 23, &[]))
        };
        let (day, month) = (self.field(1, 31, &[]), self.field(1, 12, &MONTHS));
        format!("{minute} {hour} {day} {month} {}", self.field(0, 7, &DAYS))
    }
}
