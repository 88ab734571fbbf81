//! How what one end sends travels.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Loss;
use crate::faults::{Fate, Faults};
use crate::link::Direction;
use crate::wire::{Passage, Wire, next_attempt};

/// One direction, for one stream or for what is nobody's: its packets are under way independently
/// of those of other streams.
#[derive(Debug)]
pub(crate) struct Path {
    faults: Option<Box<Faults>>,
    wire: Arc<Wire>,
    bandwidth: Option<u64>,
    loss: Loss,
    /// The most that travels as one piece, in bytes.
    piece: usize,
}

/// When something sent arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    At(Instant),
    /// Not before the way is open again; sent at this time for the first time.
    Held(Instant),
}

/// What befalls a piece of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Arrives(Arrival),
    /// It breaks the connection off.
    Breaks,
}

/// Where packets have fates, a piece is about as much as a sender's burst.
const PIECE: usize = 16 * 1024;

impl Path {
    /// `parts` tell it from all other paths under the same seed.
    pub(crate) fn new(direction: &Direction, parts: &[u64]) -> Self {
        let Direction { config, wire } = direction;
        let faults = Faults::new(config, parts);
        let is_plain = faults.is_none() && config.bandwidth.is_none();
        Self {
            faults,
            wire: Arc::clone(wire),
            bandwidth: config.bandwidth,
            loss: config.loss.clone(),
            piece: if is_plain { usize::MAX } else { PIECE },
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.wire.passage() == Passage::Open
    }

    /// How long a sender goes on sending again what does not arrive.
    pub(crate) fn gives_up_after(&self) -> Duration {
        self.loss.give_up_after
    }

    /// How many of the next `n` bytes, at least 1, travel as one piece.
    pub(crate) fn piece(&mut self, n: usize) -> usize {
        let n = n.min(self.piece);
        self.faults.as_mut().map_or(n, |faults| faults.cut(n))
    }

    /// Sends a piece of data.
    pub(crate) fn send(&mut self, now: Instant, length: usize) -> Sent {
        let delay = match self.faults.as_mut().map(|faults| faults.fate(length)) {
            None => Duration::ZERO,
            Some(Fate::Breaks) => return Sent::Breaks,
            Some(Fate::GivenUp) => return Sent::Arrives(Arrival::Held(now)),
            Some(Fate::Arrives(delay)) => delay.unwrap_or_default(),
        };
        Sent::Arrives(self.arrival(now, delay, length))
    }

    /// Sends word of something: as a piece, but it never breaks the connection off.
    pub(crate) fn tell(&mut self, now: Instant) -> Arrival {
        match self.faults.as_mut().map(|faults| faults.word()) {
            None => self.arrival(now, Duration::ZERO, 0),
            Some(None) => Arrival::Held(now),
            Some(Some(delay)) => self.arrival(now, delay, 0),
        }
    }

    /// The way is open again: when what was held since `sent` arrives.
    pub(crate) fn again(&mut self, sent: Instant, now: Instant) -> Arrival {
        let next = next_attempt(sent, now, self.loss.resend_after);
        match self.tell(now) {
            Arrival::At(at) => next.checked_add(at - now).map_or(Arrival::At(next), Arrival::At),
            held @ Arrival::Held(_) => held,
        }
    }

    /// How long one acknowledgement takes.
    pub(crate) fn delay(&mut self) -> Duration {
        self.faults.as_mut().map(|faults| faults.delay()).unwrap_or_default()
    }

    fn arrival(&self, now: Instant, delay: Duration, length: usize) -> Arrival {
        if !self.is_open() {
            return Arrival::Held(now);
        }
        let leaves = match self.bandwidth {
            Some(bandwidth) if length > 0 => self.wire.departure(now, length, bandwidth),
            _ => Duration::ZERO,
        };
        Arrival::At(now.checked_add(delay.saturating_add(leaves)).unwrap_or(now))
    }
}

impl Arrival {
    pub(crate) fn is_past(self, now: Instant) -> bool {
        matches!(self, Self::At(at) if at <= now)
    }

    /// When it is; `None` where that is not known.
    pub(crate) fn at(self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(at),
            Self::Held(_) => None,
        }
    }
}

/// The sooner of two times, where there are any.
pub(crate) fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}
