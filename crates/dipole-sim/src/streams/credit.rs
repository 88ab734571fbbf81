//! What one end may use, some of it still under way from the other.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::streams::path::Arrival;

/// Bytes or streams that the other end, or its acknowledgements, allow.
#[derive(Debug)]
pub(crate) struct Credit {
    here: u64,
    coming: BTreeMap<Instant, u64>,
    /// Waits for the way to open, since then.
    held: Option<(Instant, u64)>,
}

impl Credit {
    pub(crate) fn new(first: u64) -> Self {
        Self { here: first, coming: BTreeMap::new(), held: None }
    }

    /// What may be used now.
    pub(crate) fn available(&mut self, now: Instant) -> u64 {
        while let Some(first) = self.coming.first_entry()
            && *first.key() <= now
        {
            self.here += first.remove();
        }
        self.here
    }

    /// Uses some of what is available.
    pub(crate) fn take(&mut self, amount: u64) {
        self.here -= amount;
    }

    /// Puts `amount` on its way.
    pub(crate) fn give(&mut self, amount: u64, arrival: Arrival) {
        match arrival {
            Arrival::At(at) => *self.coming.entry(at).or_default() += amount,
            Arrival::Held(since) => self.held.get_or_insert((since, 0)).1 += amount,
        }
    }

    /// When more is there; `None` where none is on its way.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.coming.keys().next().copied()
    }

    /// Sends again what was held.
    pub(crate) fn resend(&mut self, arrival: Arrival) {
        if let Some((_, amount)) = self.held.take() {
            self.give(amount, arrival);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn credit_is_there_when_it_has_arrived() {
        let now = Instant::now();
        let later = now + Duration::from_millis(5);
        let mut credit = Credit::new(3);
        credit.take(3);
        credit.give(2, Arrival::At(later));
        credit.give(1, Arrival::Held(now));
        assert_eq!((credit.available(now), credit.next()), (0, Some(later)));
        assert_eq!((credit.available(later), credit.next()), (2, None));
        credit.resend(Arrival::At(later));
        assert_eq!(credit.available(later), 3);
    }
}
