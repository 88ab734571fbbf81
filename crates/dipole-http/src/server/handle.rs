//! What the server's owner holds while it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::Addr;
#[cfg(unix)]
use dipole_net::{Error, ErrorKind, ListeningSocket, Result, Transport};
use tokio::sync::{Mutex, watch};

use super::generations::Generations;
use super::registry::Phase;
use super::stats::{Counters, ServerStats};
use super::swap::Post;

/// How long a worker may take to drop what still runs, before it is no longer waited for.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// A running server; cheap to clone. Dropping it changes nothing: the server runs on.
#[derive(Clone)]
pub struct ServerHandle {
    shared: Arc<Shared>,
    /// Its senders are the workers: it is closed when the last has ended.
    alive: watch::Receiver<()>,
}

struct Shared {
    addrs: Vec<Addr>,
    counters: Arc<Counters>,
    workers: Vec<Arc<Generations>>,
    retire_timeout: Duration,
    /// In the order of `addrs`. Locked while one of them is swapped.
    posts: Mutex<Vec<Post>>,
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
    /// The handle, and what each worker keeps while it lives.
    pub(super) fn new(
        counters: Arc<Counters>,
        workers: Vec<Arc<Generations>>,
        retire_timeout: Duration,
        posts: Vec<Post>,
    ) -> (Self, watch::Sender<()>) {
        let (enlist, alive) = watch::channel(());
        let addrs = posts.iter().map(|post| post.addr.clone()).collect();
        let posts = Mutex::new(posts);
        let shared = Shared { addrs, counters, workers, retire_timeout, posts };
        (Self { shared: Arc::new(shared), alive }, enlist)
    }

    /// The addresses that the server really listens on, in the order of its `listen` calls.
    #[must_use]
    pub fn local_addrs(&self) -> &[Addr] {
        &self.shared.addrs
    }

    /// What the server has done so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shared.counters.read()
    }

    /// Ends the server: it stops accepting, closes idle connections at once, and lets running
    /// requests end, whose answers say `connection: close`. What still runs after `deadline` is
    /// dropped. Ends when the server has; may be called twice.
    ///
    /// A QUIC library may hold its port for some moments more, to answer what is still under way to
    /// connections that were closed (RFC 9000 section 10.2).
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

    /// Ends the server after another process has taken its [`sockets`](Self::sockets) over, without
    /// a request lost: it stops accepting, but for what it holds already; the next answer of each
    /// connection says `connection: close`, and those that stay idle for
    /// [`retire_timeout`](crate::ServerConfig::retire_timeout) are closed. Then it is as with
    /// [`shutdown`](Self::shutdown).
    pub async fn retire(&self, deadline: Duration) -> Drained {
        self.enter(Phase::Retiring);
        // Whether or not they all have ended in that time, what follows is the same.
        let _ = tokio::time::timeout(self.shared.retire_timeout, self.wait()).await;
        self.shutdown(deadline).await
    }

    /// Ends when the server has ended.
    pub async fn wait(&self) {
        let mut alive = self.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    /// Moves the live listener on `addr` to another network library. The socket stays, and with it
    /// the connections that wait to be accepted: none is refused.
    ///
    /// The connections of the earlier library retire: the next answer of each says
    /// `connection: close`, and those that stay idle for
    /// [`retire_timeout`](crate::ServerConfig::retire_timeout) are closed. Ends when the new
    /// library accepts; several swaps happen one after the other.
    ///
    /// # Errors
    /// `InvalidInput` when the server does not listen on `addr`, `Unsupported` when one of the
    /// libraries has no sockets to pass on, `Closed` when the server has ended, and what listening
    /// with `transport` failed with. The earlier library then goes on.
    ///
    /// # Cancel safety
    /// Dropping the future leaves each worker with one library or the other.
    #[cfg(unix)]
    pub async fn swap_transport(&self, addr: &Addr, transport: impl Transport) -> Result<()> {
        let posts = self.shared.posts.lock().await;
        for post in posts_on(&posts, addr)? {
            post.swap(&transport).await?;
        }
        Ok(())
    }

    /// The listening sockets on `addr`, for a process that is to go on where this one ends: as
    /// many as there are queues of connections, at most one a worker.
    ///
    /// # Errors
    /// As [`swap_transport`](Self::swap_transport).
    #[cfg(unix)]
    pub async fn sockets(&self, addr: &Addr) -> Result<Vec<ListeningSocket>> {
        let posts = self.shared.posts.lock().await;
        let mut sockets = Vec::new();
        for post in posts_on(&posts, addr)? {
            sockets.extend(post.sockets().await?);
        }
        Ok(sockets)
    }

    fn enter(&self, phase: Phase) {
        for worker in &self.shared.workers {
            worker.enter(phase);
        }
    }
}

/// More than one where the server was given several sockets of one address. Listeners of streams
/// have none to pass on, and may be beside them.
#[cfg(unix)]
fn posts_on<'a>(posts: &'a [Post], addr: &Addr) -> Result<Vec<&'a Post>> {
    let is_meant = |post: &&Post| post.addr == *addr && !post.carries_streams;
    let found: Vec<_> = posts.iter().filter(is_meant).collect();
    if found.is_empty() {
        let message = format!("the server has no listener of byte streams on {addr}");
        return Err(Error::with_message(ErrorKind::InvalidInput, message));
    }
    Ok(found)
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addrs", &self.local_addrs())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
