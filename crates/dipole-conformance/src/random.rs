//! Numbers and bytes that are the same for the same seed.

use bytes::{BufMut, Bytes, BytesMut};

/// A generator of numbers (SplitMix64, Steele et al. 2014): small, and good enough to be random
/// with. A case that uses one names the seed when it fails.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// A generator that gives the same numbers for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 random bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

/// `length` random bytes.
pub(crate) fn random_bytes(seed: u64, length: usize) -> Bytes {
    let mut random = Random::new(seed);
    let mut bytes = BytesMut::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.put_u64_le(random.next());
    }
    bytes.truncate(length);
    bytes.freeze()
}

/// An endless stream of bytes that can be asked for any part of it.
#[derive(Debug, Clone)]
pub(crate) struct Endless {
    block: Bytes,
}

impl Endless {
    /// How much [`part`](Self::part) gives at most, in bytes.
    pub(crate) const LONGEST: usize = 1 << 20;
    /// The stream repeats after this many bytes: a prime, so that no loss or repetition of whole
    /// buffers goes unnoticed.
    const PERIOD: usize = 1_048_573;

    /// The stream of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let period = random_bytes(seed, Self::PERIOD);
        let mut block = BytesMut::with_capacity(Self::PERIOD + Self::LONGEST);
        block.extend_from_slice(&period);
        while block.len() < Self::PERIOD + Self::LONGEST {
            let missing = Self::PERIOD + Self::LONGEST - block.len();
            block.extend_from_slice(&period[..missing.min(period.len())]);
        }
        Self { block: block.freeze() }
    }

    /// `length` bytes from `offset` on.
    pub(crate) fn part(&self, offset: usize, length: usize) -> Bytes {
        let begin = offset % Self::PERIOD;
        self.block.slice(begin..begin + length)
    }
}
