//! So many bytes per second, each way.

use std::time::Duration;

use dipole_net::{Conn, Side};
use tokio::time::Instant;

use crate::shaped::{Shape, Shaped, Step};
use crate::{Layer, Origin, Ticket, Wrapped};

/// A layer under which a connection reads and writes no more than so many bytes per second.
///
/// The rates hold for each connection on its own and over its whole life; after a pause up to 50 ms
/// of bytes come at once. Timeouts count the time that is waited for the rate.
#[derive(Debug, Clone, Default)]
pub struct Throttle {
    read: Option<u64>,
    write: Option<u64>,
}

impl Throttle {
    /// Without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads no more than `rate` bytes per second, at least 1.
    #[must_use]
    pub fn read(mut self, rate: u64) -> Self {
        self.read = Some(rate.max(1));
        self
    }

    /// Writes no more than `rate` bytes per second, at least 1.
    #[must_use]
    pub fn write(mut self, rate: u64) -> Self {
        self.write = Some(rate.max(1));
        self
    }
}

impl Layer for Throttle {
    fn wrap(&self, conn: Box<dyn Conn>, _: Origin, ticket: Ticket) -> Wrapped {
        let pace = |rate: Option<u64>| rate.map(|rate| Pace { rate, free_at: None });
        let shape = Paces { read: pace(self.read), write: pace(self.write) };
        Wrapped::Ready(Box::new(Shaped::new(conn, shape, ticket)))
    }
}

struct Paces {
    read: Option<Pace>,
    write: Option<Pace>,
}

struct Pace {
    rate: u64,
    /// When the bytes that have passed are paid for.
    free_at: Option<Instant>,
}

/// How much may come at once.
const BURST: Duration = Duration::from_millis(50);
/// The most that passes in one step, in bytes.
const LONGEST_STEP: u64 = 64 * 1024;

impl Shape for Paces {
    fn step(&mut self, side: Side, n: usize) -> Step {
        let pace = match side {
            Side::Read => &mut self.read,
            Side::Write => &mut self.write,
        };
        match pace {
            Some(pace) => pace.step(n),
            None => Step::Pass(n, None),
        }
    }
}

impl Pace {
    fn step(&mut self, n: usize) -> Step {
        // A burst, but no more: what is slower passes byte by byte.
        let burst = u128::from(self.rate) * BURST.as_millis() / 1000;
        let longest = u64::try_from(burst).unwrap_or(u64::MAX).clamp(1, LONGEST_STEP);
        let length = longest.min(n as u64);
        let now = Instant::now();
        let nanos = u128::from(length) * 1_000_000_000 / u128::from(self.rate);
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let begins = self.free_at.map_or(now, |free_at| free_at.max(now));
        let free_at = begins.checked_add(takes).unwrap_or(begins);
        self.free_at = Some(free_at);
        let waits = free_at.duration_since(now).saturating_sub(BURST);
        Step::Pass(length as usize, (!waits.is_zero()).then(|| now + waits))
    }
}
