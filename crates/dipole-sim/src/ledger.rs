//! What a network keeps about its connections, and the log of its events.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

/// Shared by a network and its connections. Its locks are taken last, and for a moment.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// With at least one end that is not closed.
    pub(crate) connections: AtomicUsize,
    /// Ends that are not closed.
    pub(crate) ends: AtomicUsize,
    /// Bytes under way.
    pub(crate) in_flight: AtomicUsize,
    links: Mutex<BTreeMap<u64, Weak<dyn Party>>>,
    is_logging: AtomicBool,
    log: Mutex<Option<Log>>,
}

/// A connection of either kind, as the world sees it.
pub(crate) trait Party: fmt::Debug + Send + Sync {
    /// What has happened so far has happened under the ways as they are.
    fn settle(&self) {}

    /// The host goes down: whatever it has of the connection is gone, and nobody is told.
    fn crash(&self, host: &str);

    /// The host is up again and knows nothing of the connection.
    fn restart(&self, host: &str);

    /// Looks whether ways are open again, and sends again what was held.
    fn look_at_ways(&self);
}

#[derive(Debug)]
struct Log {
    begin: Instant,
    text: String,
}

impl Ledger {
    pub(crate) fn enter(&self, number: u64, link: Weak<dyn Party>) {
        lock(&self.links).insert(number, link);
    }

    pub(crate) fn leave(&self, number: u64) {
        lock(&self.links).remove(&number);
    }

    /// The connections that are not closed on both ends, oldest first.
    pub(crate) fn links(&self) -> Vec<Arc<dyn Party>> {
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
