//! Seeded faults on any connection.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use dipole_net::{Conn, Side};
use tokio::time::Instant;

use crate::random::Random;
use crate::shaped::{Shape, Shaped, Step};
use crate::{Layer, Origin, Ticket, Wrapped};

/// A layer that makes a connection hard to live with, as drawn from a seed: the same seed gives the
/// n-th connection the same faults. Without any said it has none.
///
/// A piece is what passes at once. Reads and writes are treated alike, on this end alone.
#[derive(Debug, Clone)]
#[must_use]
pub struct Faulty {
    seed: u64,
    pieces: RangeInclusive<usize>,
    delay: RangeInclusive<Duration>,
    stall: (f64, RangeInclusive<Duration>),
    reset: f64,
    truncation: f64,
    connections: Arc<AtomicU64>,
}

impl Faulty {
    /// No faults, yet, under this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            pieces: usize::MAX..=usize::MAX,
            delay: Duration::ZERO..=Duration::ZERO,
            stall: (0.0, Duration::ZERO..=Duration::ZERO),
            reset: 0.0,
            truncation: 0.0,
            connections: Arc::default(),
        }
    }

    /// Bytes pass in pieces of these lengths, at least 1.
    pub fn split(mut self, lengths: RangeInclusive<usize>) -> Self {
        self.pieces = lengths;
        self
    }

    /// Each piece is late by this.
    pub fn delay(mut self, delay: RangeInclusive<Duration>) -> Self {
        self.delay = delay;
        self
    }

    /// A piece is later still with `probability`, 0.0 to 1.0.
    pub fn stall(mut self, probability: f64, length: RangeInclusive<Duration>) -> Self {
        self.stall = (probability, length);
        self
    }

    /// A piece breaks the connection off with `probability`, 0.0 to 1.0: both ends see `Reset`,
    /// where the library can.
    pub fn reset(mut self, probability: f64) -> Self {
        self.reset = probability;
        self
    }

    /// A piece is where its direction ends, with `probability`, 0.0 to 1.0: a reader sees `Eof`
    /// though more was sent; a writer's connection is closed with a part of its output sent.
    pub fn truncate(mut self, probability: f64) -> Self {
        self.truncation = probability;
        self
    }
}

impl Layer for Faulty {
    fn wrap(&self, conn: Box<dyn Conn>, _: Origin, ticket: Ticket) -> Wrapped {
        let number = self.connections.fetch_add(1, Relaxed);
        let random = |side| Random::new(self.seed, &[number, side]);
        let shape = Faults { faulty: self.clone(), read: random(0), write: random(1) };
        Wrapped::Ready(Box::new(Shaped::new(conn, shape, ticket)))
    }
}

struct Faults {
    faulty: Faulty,
    read: Random,
    write: Random,
}

impl Shape for Faults {
    fn step(&mut self, side: Side, n: usize) -> Step {
        let Self { faulty, read, write } = self;
        let random = match side {
            Side::Read => read,
            Side::Write => write,
        };
        if random.happens(faulty.reset) {
            return Step::Reset;
        }
        if random.happens(faulty.truncation) {
            return Step::End;
        }
        let pieces = *faulty.pieces.start() as u64..=*faulty.pieces.end() as u64;
        let length = random.within(&pieces).min(n as u64) as usize;
        let mut delay = random.length(&faulty.delay);
        let (probability, stall) = &faulty.stall;
        if random.happens(*probability) {
            delay = delay.saturating_add(random.length(stall));
        }
        Step::Pass(length, (!delay.is_zero()).then(|| Instant::now() + delay))
    }
}
