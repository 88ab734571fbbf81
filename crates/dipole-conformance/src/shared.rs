//! One connection in several hands.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use dipole_net::{Conn, Result};

/// A connection under a lock, so that one task reads while another writes. The lock is held for a
/// poll at a time.
#[derive(Clone)]
pub(crate) struct Shared {
    conn: Arc<Mutex<Box<dyn Conn>>>,
}

impl Shared {
    /// Shares `conn`.
    pub(crate) fn new(conn: Box<dyn Conn>) -> Self {
        Self { conn: Arc::new(Mutex::new(conn)) }
    }

    /// Does something with the connection that does not wait.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut dyn Conn) -> T) -> T {
        action(&mut **self.conn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until `n` bytes are held.
    pub(crate) async fn fill(&self, n: usize) -> Result<()> {
        poll_fn(|cx| self.with(|conn| conn.poll_fill(cx, n))).await
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&self) -> Result<()> {
        poll_fn(|cx| self.with(|conn| conn.poll_flush(cx))).await
    }
}
