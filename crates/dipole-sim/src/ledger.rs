//! What a network keeps about its connections, and the log of its events.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use crate::link::Link;

/// Shared by a network and its connections. Its locks are taken last, and for a moment.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// With at least one end that is not closed.
    pub(crate) connections: AtomicUsize,
    /// Ends that are not closed.
    pub(crate) ends: AtomicUsize,
    /// Bytes under way.
    pub(crate) in_flight: AtomicUsize,
    links: Mutex<BTreeMap<u64, Weak<Link>>>,
    is_logging: AtomicBool,
    log: Mutex<Option<Log>>,
}

#[derive(Debug)]
struct Log {
    begin: Instant,
    text: String,
}

impl Ledger {
    pub(crate) fn enter(&self, number: u64, link: &Arc<Link>) {
        lock(&self.links).insert(number, Arc::downgrade(link));
    }

    pub(crate) fn leave(&self, number: u64) {
        lock(&self.links).remove(&number);
    }

    /// The connections that are not closed on both ends, oldest first.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        lock(&self.links).values().filter_map(Weak::upgrade).collect()
    }

    /// Begins an empty log; its times count from now.
    pub(crate) fn begin_log(&self) {
        *lock(&self.log) = Some(Log { begin: Instant::now(), text: String::new() });
        self.is_logging.store(true, Relaxed);
    }

    pub(crate) fn log_text(&self) -> String {
        lock(&self.log).as_ref().map(|log| log.text.clone()).unwrap_or_default()
    }

    /// Writes a line, where there is a log.
    pub(crate) fn log(&self, event: fmt::Arguments<'_>) {
        if !self.is_logging.load(Relaxed) {
            return;
        }
        if let Some(log) = &mut *lock(&self.log) {
            let at = log.begin.elapsed();
            // Writing to a string never fails.
            let _ = writeln!(log.text, "{}.{:09} {event}", at.as_secs(), at.subsec_nanos());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
