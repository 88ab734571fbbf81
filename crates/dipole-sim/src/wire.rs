//! The way from one host to another, which everything between the two shares.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Config;
use crate::random::Random;

/// One direction between two hosts.
#[derive(Debug)]
pub(crate) struct Wire {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    passage: Passage,
    /// When the last packet that was given to it has left.
    free_at: Option<Instant>,
    /// What befalls datagrams.
    random: Random,
}

/// Whether packets get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    Open,
    /// Cut, or one of the hosts is down.
    Blocked,
}

impl Wire {
    pub(crate) fn new(seed: u64, from: &str, to: &str, passage: Passage) -> Self {
        let names = [Random::number_of(from), Random::number_of(to)];
        let random = Random::new(seed, &names);
        Self { state: Mutex::new(State { passage, free_at: None, random }) }
    }

    pub(crate) fn passage(&self) -> Passage {
        self.lock().passage
    }

    pub(crate) fn set_passage(&self, passage: Passage) {
        self.lock().passage = passage;
    }

    /// How long `length` bytes given to it at `now` take to leave, behind all that was given
    /// before.
    pub(crate) fn departure(&self, now: Instant, length: usize, bandwidth: u64) -> Duration {
        let nanos = length as u128 * 1_000_000_000 / u128::from(bandwidth.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut state = self.lock();
        let begins = state.free_at.map_or(now, |free_at| free_at.max(now));
        let leaves = begins.checked_add(takes).unwrap_or(begins);
        state.free_at = Some(leaves);
        leaves - now
    }

    /// When one datagram of `length` bytes that is sent at `now` arrives: not at all, once or
    /// twice.
    pub(crate) fn carry(&self, config: &Config, now: Instant, length: usize) -> Vec<Duration> {
        let (passage, free_at) = {
            let state = self.lock();
            (state.passage, state.free_at)
        };
        let waits = free_at.map_or(Duration::ZERO, |free_at| free_at.duration_since(now));
        let too_long = length > config.datagrams.size || waits > config.datagrams.queue;
        if passage == Passage::Blocked || too_long {
            return Vec::new();
        }
        let left = match config.bandwidth {
            Some(bandwidth) => self.departure(now, length, bandwidth),
            None => Duration::ZERO,
        };
        let random = &mut self.lock().random;
        if happens(random, config.loss.probability) {
            return Vec::new();
        }
        let copies = 1 + usize::from(happens(random, config.datagrams.duplicate_probability));
        let mut arrivals = Vec::with_capacity(copies);
        for _ in 0..copies {
            let mut delay = left.saturating_add(random.length(&config.latency));
            if happens(random, config.datagrams.reorder_probability) {
                delay = delay.saturating_add(random.length(&config.datagrams.reorder_delay));
            }
            arrivals.push(delay);
        }
        arrivals
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without a draw where it never does.
fn happens(random: &mut Random, probability: f64) -> bool {
    probability > 0.0 && random.happens(probability)
}

/// The longest that a sender waits between two attempts (RFC 6298 section 2.5 allows 60 s and
/// more).
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// The first attempt after `now` to send again what was sent at `sent` and not acknowledged: each
/// waits twice as long as the one before it (RFC 6298 section 5.5).
pub(crate) fn next_attempt(sent: Instant, now: Instant, resend_after: Duration) -> Instant {
    let mut wait = resend_after.max(Duration::from_millis(1));
    let mut at = sent;
    while at <= now {
        at += wait;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_after_twice_the_wait_each() {
        let sent = Instant::now();
        let secs = Duration::from_secs;
        let after = |now| next_attempt(sent, sent + now, secs(1)) - sent;
        assert_eq!(after(secs(0)), secs(1));
        assert_eq!(after(secs(1)), secs(3));
        assert_eq!(after(secs(8)), secs(15));
        assert_eq!(after(secs(1000)), secs(1087));
    }

    #[test]
    fn what_is_sent_at_once_leaves_one_after_the_other() {
        let wire = Wire::new(1, "a", "b", Passage::Open);
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(wire.departure(now, 100, 1000), ms(100));
        assert_eq!(wire.departure(now, 100, 1000), ms(200));
        assert_eq!(wire.departure(now + ms(500), 100, 1000), ms(100));
    }
}
