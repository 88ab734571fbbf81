//! What befalls one direction of one connection, drawn from its seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::random::Random;
use crate::{Config, Stall};

/// The random choices of one direction. Where the stream is cut depends on positions alone, never
/// on who polls when.
#[derive(Debug)]
pub(crate) struct Faults {
    cuts: Random,
    fates: Random,
    chunk: Option<RangeInclusive<u64>>,
    /// Bytes until the next cut.
    left: u64,
    latency: RangeInclusive<Duration>,
    stall: Stall,
    reset_probability: f64,
}

/// What befalls a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives after this long; `None` is at once, without a look at the clock.
    Arrives(Option<Duration>),
    /// The connection is broken off.
    Breaks,
}

impl Faults {
    /// `None` for a faultless network.
    pub(crate) fn new(config: &Config, connection: u64, direction: usize) -> Option<Box<Self>> {
        let faultless = config.chunk.is_none()
            && config.latency.start().max(config.latency.end()).is_zero()
            && config.stall.probability <= 0.0
            && config.reset_probability <= 0.0;
        if faultless {
            return None;
        }
        let random = |purpose| Random::new(config.seed, &[connection, direction as u64, purpose]);
        Some(Box::new(Self {
            cuts: random(0),
            fates: random(1),
            chunk: config.chunk.as_ref().map(|range| *range.start() as u64..=*range.end() as u64),
            left: 0,
            latency: config.latency.clone(),
            stall: config.stall.clone(),
            reset_probability: config.reset_probability,
        }))
    }

    /// True when one read brings one chunk.
    pub(crate) fn cuts(&self) -> bool {
        self.chunk.is_some()
    }

    /// How many of the next `n` bytes, at least 1, make the next chunk.
    pub(crate) fn cut(&mut self, n: usize) -> usize {
        let Some(range) = &self.chunk else { return n };
        if self.left == 0 {
            self.left = self.cuts.within(range).max(1);
        }
        let length = self.left.min(n as u64);
        self.left -= length;
        length as usize
    }

    pub(crate) fn fate(&mut self) -> Fate {
        if self.reset_probability > 0.0 && self.fates.happens(self.reset_probability) {
            return Fate::Breaks;
        }
        let mut delay = self.delay();
        if self.stall.probability > 0.0 && self.fates.happens(self.stall.probability) {
            delay = delay.saturating_add(self.fates.length(&self.stall.length));
        }
        Fate::Arrives((!delay.is_zero()).then_some(delay))
    }

    /// One latency.
    pub(crate) fn delay(&mut self) -> Duration {
        self.fates.length(&self.latency)
    }
}
