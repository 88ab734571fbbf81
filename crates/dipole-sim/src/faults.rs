//! What befalls one direction of one connection, drawn from its seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::random::Random;
use crate::{Config, Loss, Stall};

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
    loss: Loss,
}

/// The bytes of a stream that one packet carries: Ethernet's 1500 less IP's and TCP's headers.
const PACKET: usize = 1460;

/// What befalls a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives after this long; `None` is at once, without a look at the clock.
    Arrives(Option<Duration>),
    /// The connection is broken off.
    Breaks,
    /// It never arrives, and its sender gives up.
    GivenUp,
}

impl Faults {
    /// `None` for a faultless network.
    /// `parts` tell the direction from all others under the same seed.
    pub(crate) fn new(config: &Config, parts: &[u64]) -> Option<Box<Self>> {
        let faultless = config.chunk.is_none()
            && config.latency.start().max(config.latency.end()).is_zero()
            && config.stall.probability <= 0.0
            && config.reset_probability <= 0.0
            && config.loss.probability <= 0.0;
        if faultless {
            return None;
        }
        let random = |purpose| Random::new(config.seed, &[parts, &[purpose]].concat());
        Some(Box::new(Self {
            cuts: random(0),
            fates: random(1),
            chunk: config.chunk.as_ref().map(|range| *range.start() as u64..=*range.end() as u64),
            left: 0,
            latency: config.latency.clone(),
            stall: config.stall.clone(),
            reset_probability: config.reset_probability,
            loss: config.loss.clone(),
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

    /// What befalls a chunk of `length` bytes.
    pub(crate) fn fate(&mut self, length: usize) -> Fate {
        if self.reset_probability > 0.0 && self.fates.happens(self.reset_probability) {
            return Fate::Breaks;
        }
        let mut delay = self.delay();
        if self.loss.probability > 0.0 {
            let Some(late) = self.resent(length) else { return Fate::GivenUp };
            delay = delay.saturating_add(late);
        }
        if self.stall.probability > 0.0 && self.fates.happens(self.stall.probability) {
            delay = delay.saturating_add(self.fates.length(&self.stall.length));
        }
        Fate::Arrives((!delay.is_zero()).then_some(delay))
    }

    /// How much later a chunk arrives because packets of it are lost and sent again; `None` when
    /// the sender gives up.
    fn resent(&mut self, length: usize) -> Option<Duration> {
        let packets = length.div_ceil(PACKET).min(i32::MAX as usize) as i32;
        let mut lost = 1.0 - (1.0 - self.loss.probability).max(0.0).powi(packets);
        let (mut late, mut wait) = (Duration::ZERO, self.loss.resend_after);
        while self.fates.happens(lost) {
            late = late.saturating_add(wait);
            wait = wait.saturating_mul(2);
            if late > self.loss.give_up_after || wait.is_zero() {
                return None;
            }
            // Of what is sent again, one packet at a time is waited for.
            lost = self.loss.probability;
        }
        Some(late)
    }

    /// How long word of something is under way, which is one packet; `None` when its sender gives
    /// up.
    pub(crate) fn word(&mut self) -> Option<Duration> {
        let delay = self.delay();
        if self.loss.probability <= 0.0 {
            return Some(delay);
        }
        self.resent(1).map(|late| delay.saturating_add(late))
    }

    /// One latency.
    pub(crate) fn delay(&mut self) -> Duration {
        self.fates.length(&self.latency)
    }
}
