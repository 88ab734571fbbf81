//! Numbers that are the same for the same seed.

use std::ops::RangeInclusive;
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A sequence of its own for each seed and each list of `parts`.
    pub(crate) fn new(seed: u64, parts: &[u64]) -> Self {
        parts.iter().fold(Self(seed), |mut random, part| Self(random.next() ^ part))
    }

    fn next(&mut self) -> u64 {
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
        let width = u128::from(end - start) + 1;
        start + ((u128::from(self.next()) * width) >> 64) as u64
    }

    /// A length of `range`, to the nanosecond; its start where the range is empty.
    pub(crate) fn length(&mut self, range: &RangeInclusive<Duration>) -> Duration {
        let nanos = |length: &Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.within(&(nanos(range.start())..=nanos(range.end()))))
    }

    /// True with `probability`; no number is drawn at 0.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        // The upper 53 bits make a fraction of 0.0..1.0 without rounding.
        probability > 0.0 && ((self.next() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }
}
