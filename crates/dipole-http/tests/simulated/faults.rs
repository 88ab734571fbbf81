//! What befalls a run, drawn from its seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use dipole_layers::Faulty;
use dipole_sim::Config;

/// The chance of a run, or of a part of it (SplitMix64, Steele, Lea, Flood 2014).
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut whole = Self(seed);
        Self(whole.next() ^ part)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

fn ms(range: RangeInclusive<u64>) -> RangeInclusive<Duration> {
    Duration::from_millis(*range.start())..=Duration::from_millis(*range.end())
}

/// How the network of a run behaves.
pub(crate) fn network(seed: u64) -> Config {
    let mut chance = Chance::new(seed, 1);
    let mut config = match chance.between(0, 3) {
        0 => Config::default(),
        1 | 2 => Config::rough(seed),
        _ => Config::far(seed, [0.0, 0.01, 0.1][chance.between(0, 2) as usize]),
    };
    config.seed = seed;
    if chance.one_in(3) {
        config.chunk = Some(1..=[10, 500, 5000][chance.between(0, 2) as usize]);
    }
    if chance.one_in(3) {
        config.reset_probability = [0.0001, 0.001, 0.01][chance.between(0, 2) as usize];
    }
    if chance.one_in(4) {
        config.capacity = chance.between(1000, 20_000) as usize;
    }
    config
}

/// What befalls the connections of a client's host; `None` is nothing.
pub(crate) fn layer(seed: u64, host: u64) -> Option<Faulty> {
    let mut chance = Chance::new(seed, 100 + host);
    if !chance.one_in(3) {
        return None;
    }
    let faulty = Faulty::seeded(seed ^ host).split(1..=4000).delay(ms(0..=3));
    Some(match chance.between(0, 2) {
        0 => faulty.stall(0.05, ms(100..=20_000)),
        1 => faulty.truncate(0.02),
        _ => faulty.reset(0.02),
    })
}
