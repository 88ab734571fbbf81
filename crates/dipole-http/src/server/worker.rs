//! A worker: its listeners, its connections, and what they share.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use dipole_io::DrivenRuntime;
use dipole_net::Transport;
use http::HeaderValue;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Hooks;
use super::accept::{Gate, Limits};
use super::alt_svc::Advertised;
use super::date;
use super::generations::Generations;
use super::memory::{Memory, SharedMemory};
use super::registry::Registry;
use super::stats::Counters;
use crate::h1::codec::encode::DateLine;
use crate::{HttpService, ServerConfig};

/// What one worker's connections of one listener share.
pub(crate) struct Worker {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) registry: Arc<Registry>,
    /// The name of the network library that listens.
    pub(super) network: &'static str,
    pub(super) limits: Arc<Limits>,
    advertised: Advertised,
    memory: SharedMemory,
}

impl Worker {
    /// The same for the connections of the next listener, of another library.
    pub(super) fn of_successor(&self, registry: Arc<Registry>, network: &'static str) -> Arc<Self> {
        Arc::new(Self {
            config: Arc::clone(&self.config),
            hooks: Arc::clone(&self.hooks),
            counters: Arc::clone(&self.counters),
            limits: Arc::clone(&self.limits),
            registry,
            network,
            advertised: Arc::clone(&self.advertised),
            memory: SharedMemory::new(self.config.remembered_heads),
        })
    }

    /// What answers over TLS say of other ways to the server.
    pub(crate) fn alt_svc(&self) -> Option<&HeaderValue> {
        self.advertised.get()
    }

    /// Does `work` with what its connections remember, or with nothing remembered. It waits for nothing
    /// and runs no code of the application's.
    #[inline(always)]
    pub(crate) fn with_memory<R>(&self, work: impl FnOnce(&mut Memory) -> R) -> R {
        self.memory.with(work)
    }

    /// The line of a `date` field at `now`.
    pub(crate) fn date(&self, now: Instant) -> DateLine {
        self.with_memory(|memory| *memory.date.line(now))
    }

    pub(crate) fn date_value(&self, now: Instant) -> HeaderValue {
        date::value(&self.date(now))
    }
}

/// The workers of one server.
pub(super) struct Group {
    config: Arc<ServerConfig>,
    hooks: Arc<Hooks>,
    counters: Arc<Counters>,
    limits: Arc<Limits>,
}

impl Group {
    pub(super) fn new(config: ServerConfig, hooks: Hooks) -> Self {
        let limits = Arc::new(Limits::new(&config));
        let (config, hooks) = (Arc::new(config), Arc::new(hooks));
        Self { config, hooks, counters: Arc::default(), limits }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// A worker's view of one listener of the library `network`.
    pub(super) fn worker(
        &self,
        registry: Arc<Registry>,
        network: &'static str,
        advertised: Advertised,
    ) -> Arc<Worker> {
        Arc::new(Worker {
            config: Arc::clone(&self.config),
            hooks: Arc::clone(&self.hooks),
            counters: Arc::clone(&self.counters),
            limits: Arc::clone(&self.limits),
            registry,
            network,
            advertised,
            memory: SharedMemory::new(self.config.remembered_heads),
        })
    }
}

/// Serves until the server ends and the last connection has.
pub(super) async fn work<S: HttpService>(
    generations: Arc<Generations>,
    gates: Vec<Gate<S>>,
    alive: watch::Sender<()>,
) {
    for gate in gates {
        tokio::spawn(gate.run());
    }
    poll_fn(|cx| if generations.poll_ended(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    drop(alive);
}

/// How long a worker's thread waits for blocking calls of its handlers at its end.
const BLOCKING_GRACE: Duration = Duration::from_secs(1);

/// Runs a worker on a thread and a runtime of its own, which drives what event sources
/// `transports` have beside the runtime's.
///
/// # Errors
/// The thread, its runtime or an event source cannot be made.
pub(super) fn start_thread(
    index: usize,
    transports: Vec<Arc<dyn Transport>>,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (report, reported) = std::sync::mpsc::sync_channel(1);
    // The runtime is bound to its thread, so it is made there and its failure is sent here.
    let run = move || match DrivenRuntime::new(&transports) {
        Ok(runtime) => {
            let _ = report.send(Ok(()));
            runtime.block_on(work);
            runtime.end(BLOCKING_GRACE);
        }
        Err(error) => drop(report.send(Err(error.into()))),
    };
    std::thread::Builder::new().name(format!("dipole-{index}")).spawn(run)?;
    reported.recv().unwrap_or_else(|_| Err(io::Error::other("the worker's thread has died")))
}
