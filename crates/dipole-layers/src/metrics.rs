//! Counters of connections and their bytes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_net::{Addr, Conn, Result};
use tokio::time::Instant;

use crate::{Around, Layer, Origin, Surrounded, Ticket, Wrapped};

/// A layer that counts, for each connection and over all; clones share their totals.
#[derive(Clone, Default)]
pub struct Metrics {
    counters: Arc<Counters>,
    on_end: Option<Arc<OnEnd>>,
}

type OnEnd = dyn Fn(&ConnectionRecord) + Send + Sync;

#[derive(Debug, Default)]
struct Counters {
    opened: AtomicU64,
    closed: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
}

/// What all connections amount to at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// Connections since the beginning.
    pub opened: u64,
    /// Those of them that are there now.
    pub open: u64,
    /// Bytes that the network gave, as of each connection's last read.
    pub received: u64,
    /// Bytes that the network took, as of each connection's last flush.
    pub sent: u64,
    /// Reads and flushes that ended with an error other than the peer's end.
    pub failed: u64,
}

/// What one connection amounts to, when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionRecord {
    /// Who began it.
    pub origin: Origin,
    /// This end.
    pub local: Addr,
    /// The other end.
    pub peer: Addr,
    /// Bytes that the network gave.
    pub received: u64,
    /// Bytes that the network took.
    pub sent: u64,
    /// Reads and flushes that ended with an error other than the peer's end.
    pub failed: u64,
    /// How long it lived.
    pub lived: Duration,
}

impl Metrics {
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `record` sees each later connection of this value when it ends.
    #[must_use]
    pub fn on_end(mut self, record: impl Fn(&ConnectionRecord) + Send + Sync + 'static) -> Self {
        self.on_end = Some(Arc::new(record));
        self
    }

    /// What all connections amount to at this moment.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let counters = &self.counters;
        // Read first, so that a connection that ends meanwhile never makes it negative.
        let closed = counters.closed.load(Relaxed);
        let opened = counters.opened.load(Relaxed);
        Totals {
            opened,
            open: opened.saturating_sub(closed),
            received: counters.received.load(Relaxed),
            sent: counters.sent.load(Relaxed),
            failed: counters.failed.load(Relaxed),
        }
    }
}

impl Layer for Metrics {
    fn wrap(&self, conn: Box<dyn Conn>, origin: Origin, ticket: Ticket) -> Wrapped {
        self.counters.opened.fetch_add(1, Relaxed);
        let record = ConnectionRecord {
            origin,
            local: conn.local_addr(),
            peer: conn.peer_addr(),
            received: 0,
            sent: 0,
            failed: 0,
            lived: Duration::ZERO,
        };
        let counted =
            Counted { metrics: self.clone(), record, begin: Instant::now(), _ticket: ticket };
        Wrapped::Ready(Box::new(Surrounded::new(conn, counted)))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

struct Counted {
    metrics: Metrics,
    record: ConnectionRecord,
    begin: Instant,
    _ticket: Ticket,
}

impl Counted {
    fn count(&mut self, inner: &dyn Conn, polled: &Poll<Result<()>>) {
        let stats = inner.stats();
        let counters = &self.metrics.counters;
        counters.received.fetch_add(stats.received - self.record.received, Relaxed);
        counters.sent.fetch_add(stats.sent - self.record.sent, Relaxed);
        (self.record.received, self.record.sent) = (stats.received, stats.sent);
        if let Poll::Ready(Err(error)) = polled
            && !error.is_eof()
        {
            counters.failed.fetch_add(1, Relaxed);
            self.record.failed += 1;
        }
    }
}

impl Around for Counted {
    fn poll_fill(
        &mut self,
        inner: &mut dyn Conn,
        cx: &mut Context<'_>,
        n: usize,
    ) -> Poll<Result<()>> {
        let polled = inner.poll_fill(cx, n);
        self.count(inner, &polled);
        polled
    }

    fn poll_flush(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = inner.poll_flush(cx);
        self.count(inner, &polled);
        polled
    }

    fn poll_shutdown(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = inner.poll_shutdown(cx);
        self.count(inner, &polled);
        polled
    }

    fn on_drop(&mut self, inner: &dyn Conn) {
        self.count(inner, &Poll::Pending);
        self.metrics.counters.closed.fetch_add(1, Relaxed);
        self.record.lived = self.begin.elapsed();
        if let Some(on_end) = &self.metrics.on_end {
            on_end(&self.record);
        }
    }
}
