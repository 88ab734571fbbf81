//! Connections that wait for another request to their host.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;
use std::time::Duration;

use dipole_net::{Addr, Conn, Side};
use tokio::time::Instant;

use crate::h1::client::Keep;

/// Hosts that are remembered although nothing is kept of them.
const MAX_ORIGINS: usize = 1024;

/// The hosts that a client has asked.
pub(super) struct Pool {
    settings: Settings,
    /// By host and port, as in a URI, in lower case.
    origins: Mutex<HashMap<Box<str>, Arc<Origin>>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) max_idle: usize,
    pub(super) idle_timeout: Duration,
}

/// One host: where it is, and the connections to it that wait.
pub(super) struct Origin {
    pub(super) addr: Addr,
    settings: Settings,
    /// The one that waits for the longest time first.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    conn: Box<dyn Conn>,
    since: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, origins: Mutex::default() }
    }

    /// The host named `authority`: a host and perhaps a port, without user information.
    pub(super) fn origin(&self, authority: &str, addr: impl FnOnce() -> Addr) -> Arc<Origin> {
        let key = if authority.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(authority.to_ascii_lowercase())
        } else {
            Cow::Borrowed(authority)
        };
        let key = key.strip_suffix(":80").unwrap_or(&key);
        let mut origins = lock(&self.origins);
        if let Some(origin) = origins.get(key) {
            return Arc::clone(origin);
        }
        if origins.len() >= MAX_ORIGINS {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || !origin.is_empty());
        }
        let origin = Arc::new(Origin::new(addr(), self.settings));
        origins.insert(key.into(), Arc::clone(&origin));
        origin
    }
}

impl Origin {
    pub(super) fn new(addr: Addr, settings: Settings) -> Self {
        Self { addr, settings, idle: Mutex::default() }
    }

    fn is_empty(&self) -> bool {
        lock(&self.idle).is_empty()
    }

    /// A connection that waits, if there is one that is still good: the one that was used last.
    pub(super) fn take(&self, cx: &mut Context<'_>) -> Option<Box<dyn Conn>> {
        loop {
            let Idle { mut conn, since } = lock(&self.idle).pop()?;
            if since.elapsed() >= self.settings.idle_timeout {
                // Those before it wait for longer still.
                drop(std::mem::take(&mut *lock(&self.idle)));
                return None;
            }
            // A connection that has ended, or has bytes that nobody asked for, is ready to be read.
            if conn.poll_fill(cx, 1).is_pending() {
                conn.abandon(Side::Read);
                return Some(conn);
            }
        }
    }
}

impl Keep for Origin {
    fn keep(&self, mut conn: Box<dyn Conn>) {
        if self.settings.max_idle == 0 {
            return;
        }
        conn.release();
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        // The oldest goes when there are too many, and all that have waited for too long.
        let expired = idle.partition_point(|one| now - one.since >= self.settings.idle_timeout);
        let surplus = (idle.len() + 1).saturating_sub(self.settings.max_idle);
        let gone: Vec<_> = idle.drain(..expired.max(surplus)).collect();
        idle.push(Idle { conn, since: now });
        drop(idle);
        // Closed without the lock.
        drop(gone);
    }
}
