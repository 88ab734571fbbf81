//! Leaving out what fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// When an endpoint is left out, and for how long.
///
/// An endpoint fails when there is no connection to it, when a connection breaks or an answer is
/// late or wrong, and when it answers 502, 503 or 504.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ejection {
    /// After so many failures without a success between them; default 5. Having no connection
    /// leaves it out at once.
    pub failures: u32,
    /// For how long the first time; default 1 s. Each time after it doubles, until a success.
    pub first: Duration,
    /// For how long at most; default 60 s.
    pub longest: Duration,
    /// How many of a hundred endpoints may be left out at the same time; default 50. Where more
    /// fail, the fault is more likely this side's, or there is nothing better anyway.
    pub most_percent: usize,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            most_percent: 50,
        }
    }
}

/// How a request ended, as far as its endpoint is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    NoConnection,
}

/// How many endpoints there are, and how many are left out.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    known: usize,
    ejected: usize,
}

/// How one endpoint does. It is in the tally as long as this is there.
#[derive(Debug)]
pub(crate) struct Health {
    options: Ejection,
    tally: Arc<Tally>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// Times that it was left out since the last success.
    ejections: u32,
    /// Until when it is left out; `None` while it is not.
    until: Option<Instant>,
}

impl Health {
    pub(crate) fn new(options: Ejection, tally: Arc<Tally>) -> Self {
        tally.lock().known += 1;
        Self { options, tally, state: Mutex::default() }
    }

    /// Until when it is left out; `None` when it is not.
    pub(crate) fn ejected_until(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let until = state.until?;
        if now < until {
            return Some(until);
        }
        state.until = None;
        self.tally.lock().ejected -= 1;
        None
    }

    /// Takes note of how a request has ended.
    pub(crate) fn note(&self, outcome: Outcome, now: Instant) {
        let mut state = self.lock();
        match outcome {
            Outcome::Success => {
                state.failures = 0;
                state.ejections = 0;
                return;
            }
            Outcome::Failure => state.failures = state.failures.saturating_add(1),
            Outcome::NoConnection => state.failures = self.options.failures.max(1),
        }
        if state.failures < self.options.failures.max(1) || state.until.is_some() {
            return;
        }
        let mut counts = self.tally.lock();
        if (counts.ejected + 1) * 100 > counts.known * self.options.most_percent {
            return;
        }
        counts.ejected += 1;
        drop(counts);
        let doubled = self.options.first.saturating_mul(1 << state.ejections.min(16));
        state.until = Some(now + doubled.min(self.options.longest));
        state.ejections = state.ejections.saturating_add(1);
        state.failures = 0;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        let is_ejected = self.lock().until.is_some();
        let mut counts = self.tally.lock();
        counts.known -= 1;
        counts.ejected -= usize::from(is_ejected);
    }
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(count: usize) -> Vec<Health> {
        let tally = Arc::new(Tally::default());
        (0..count).map(|_| Health::new(Ejection::default(), Arc::clone(&tally))).collect()
    }

    #[test]
    fn failures_in_a_row_leave_an_endpoint_out_and_longer_each_time() {
        let all = endpoints(2);
        let (health, mut now) = (&all[0], Instant::now());
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            for _ in 0..4 {
                health.note(Outcome::Failure, now);
                assert_eq!(health.ejected_until(now), None);
            }
            health.note(Outcome::Failure, now);
            let until = health.ejected_until(now).expect("left out");
            assert_eq!(until - now, Duration::from_secs(expected));
            now = until;
            assert_eq!(health.ejected_until(now), None);
        }
        health.note(Outcome::Success, now);
        health.note(Outcome::NoConnection, now);
        assert_eq!(health.ejected_until(now), Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn a_success_between_failures_keeps_an_endpoint() {
        let (all, now) = (endpoints(2), Instant::now());
        for _ in 0..20 {
            all[0].note(Outcome::Failure, now);
            all[0].note(Outcome::Success, now);
        }
        assert_eq!(all[0].ejected_until(now), None);
    }

    #[test]
    fn no_more_than_half_are_left_out() {
        let (mut all, now) = (endpoints(5), Instant::now());
        all.iter().for_each(|health| health.note(Outcome::NoConnection, now));
        let ejected = all.iter().filter(|health| health.ejected_until(now).is_some()).count();
        assert_eq!(ejected, 2);
        // One that goes makes room for none: of four, two are left out.
        all.pop();
        all[3].note(Outcome::NoConnection, now);
        assert_eq!(all[3].ejected_until(now), None);
        // The last one is never left out.
        all.truncate(1);
        let later = now + Duration::from_secs(2);
        assert_eq!(all[0].ejected_until(later), None);
        all[0].note(Outcome::NoConnection, later);
        assert_eq!(all[0].ejected_until(later), None);
    }
}
