//! The one source of chance: small, seeded, the same everywhere.

use std::ops::RangeInclusive;
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A stream of its own for each `seed` and each list of `parts`.
    pub(crate) fn new(seed: u64, parts: &[u64]) -> Self {
        parts.iter().fold(Self(seed), |mut random, part| Self(random.next() ^ part))
    }

    /// A number for a name, the same everywhere: FNV-1a.
    pub(crate) fn number_of(name: &str) -> u64 {
        name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `range`; its start where the range is empty.
    pub(crate) fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        let (start, end) = (*range.start(), *range.end());
        if start >= end {
            return start;
        }
        match (end - start).checked_add(1) {
            Some(width) => start + ((u128::from(self.next()) * u128::from(width)) >> 64) as u64,
            None => self.next(),
        }
    }

    /// A length of `range`, to the nanosecond; its start where the range is empty.
    pub(crate) fn length(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let nanos = |length: &Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.within(&(nanos(range.start())..=nanos(range.end()))))
    }

    /// True with `probability`; at 0 or below never, at 1 and above always.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        // The upper 53 bits make a fraction of 0.0..1.0 without rounding.
        ((self.next() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_others() {
        let draw = |seed, parts: &[u64]| {
            let mut random = Random::new(seed, parts);
            [random.next(), random.next()]
        };
        assert_eq!(draw(7, &[1, 0]), draw(7, &[1, 0]));
        assert_ne!(draw(7, &[1, 0]), draw(8, &[1, 0]));
        assert_ne!(draw(7, &[1, 0]), draw(7, &[1, 1]));
        assert_ne!(draw(7, &[1, 0]), draw(7, &[2, 0]));
    }

    #[test]
    fn numbers_stay_within_their_range() {
        let mut random = Random::new(1, &[]);
        let mut seen = [false; 3];
        for _ in 0..100 {
            seen[random.within(&(5..=7)) as usize - 5] = true;
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(random.within(&(9..=9)), 9);
        #[allow(clippy::reversed_empty_ranges, reason = "what a mistaken configuration gives")]
        let reversed = 9..=3;
        assert_eq!(random.within(&reversed), 9);
        random.within(&(0..=u64::MAX));
    }

    #[test]
    fn probabilities_hold() {
        let mut random = Random::new(1, &[]);
        assert!((0..1000).all(|_| !random.happens(0.0)));
        assert!((0..1000).all(|_| random.happens(1.0)));
        let hits = (0..10_000).filter(|_| random.happens(0.25)).count();
        assert!((2200..2800).contains(&hits), "{hits}");
        assert!(!random.happens(f64::NAN));
    }
}
