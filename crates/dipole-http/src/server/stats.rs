//! What a server has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that workers share; read as [`ServerStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) ended: Counter,
    pub(crate) requests: Counter,
    pub(crate) panics: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) rejected: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) accept_errors: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a server has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections that are open at this moment.
    pub open_connections: u64,
    /// Connections closed before their first byte: by a hook or a limit.
    pub refused_connections: u64,
    /// Requests given to the service.
    pub requests: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Handlers dropped before their end: their client was gone, or their time was up.
    pub cancelled: u64,
    /// Requests that broke the rules of HTTP or a limit.
    pub rejected: u64,
    /// Connections ended by a deadline.
    pub timed_out: u64,
    /// Errors of accepting, such as too many open files.
    pub accept_errors: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> ServerStats {
        let ended = self.ended.value();
        let connections = self.accepted.value();
        ServerStats {
            connections,
            open_connections: connections.saturating_sub(ended),
            refused_connections: self.refused.value(),
            requests: self.requests.value(),
            panics: self.panics.value(),
            cancelled: self.cancelled.value(),
            rejected: self.rejected.value(),
            timed_out: self.timed_out.value(),
            accept_errors: self.accept_errors.value(),
        }
    }
}
