//! What the server's owner holds while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::Addr;
use tokio::sync::watch;

use super::registry::{Phase, Registry};
use super::stats::{Counters, ServerStats};
use super::worker::Worker;

/// How long a worker may take to drop what still runs, before it is no longer waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A running server; cheap to clone. Dropping it changes nothing: the server runs on.
#[derive(Clone)]
pub struct ServerHandle {
    addrs: Arc<[Addr]>,
    counters: Arc<Counters>,
    workers: Vec<Arc<Registry>>,
    /// Its senders are the workers: it is closed when the last has ended.
    alive: watch::Receiver<()>,
    /// Gives each worker its sender while the handle is made, and is dropped afterwards.
    enlist: Option<watch::Sender<()>>,
}

/// How a shutdown ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Drained {
    /// Every running request ended by itself.
    Whole,
    /// The deadline passed: what still ran was dropped.
    CutShort,
}

impl ServerHandle {
    pub(super) fn new(addrs: Vec<Addr>, counters: Arc<Counters>) -> Self {
        let (enlist, alive) = watch::channel(());
        Self { addrs: addrs.into(), counters, workers: Vec::new(), alive, enlist: Some(enlist) }
    }

    pub(super) fn add(&mut self, worker: &Worker) -> watch::Sender<()> {
        self.workers.push(Arc::clone(&worker.registry));
        self.enlist.clone().unwrap_or_default()
    }

    pub(super) fn sealed(mut self) -> Self {
        self.enlist = None;
        self
    }

    /// The addresses that the server really listens on, in the order of its `listen` calls.
    #[must_use]
    pub fn local_addrs(&self) -> &[Addr] {
        &self.addrs
    }

    /// What the server has done so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.counters.read()
    }

    /// Ends the server: it stops accepting, closes idle connections at once, and lets running
    /// requests end, whose answers say `connection: close`. What still runs after `deadline` is
    /// dropped. Ends when the server has; may be called twice.
    pub async fn shutdown(&self, deadline: Duration) -> Drained {
        self.enter(Phase::Draining);
        if tokio::time::timeout(deadline, self.wait()).await.is_ok() {
            return Drained::Whole;
        }
        self.enter(Phase::Ending);
        // A handler that blocks its thread cannot be dropped; the process's end is its end.
        let _ = tokio::time::timeout(LAST_WAIT, self.wait()).await;
        Drained::CutShort
    }

    /// Ends when the server has ended.
    pub async fn wait(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    fn enter(&self, phase: Phase) {
        for worker in &self.workers {
            worker.enter(phase);
        }
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addrs", &self.addrs)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
