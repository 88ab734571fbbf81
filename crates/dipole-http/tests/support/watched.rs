//! A network library that watches what the server does with its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole_http::{HttpService, Server, ServerConfig};
use dipole_net::{
    Addr, Capabilities, Closer, Conn, ConnStats, Connection, DialerExt, Incoming, ListenOptions,
    Listener, Result, Side, TlsInfo, Transport,
};
use dipole_sim::Network;

use super::{Peer, secs, watch_for_standstill};

/// A server whose connections are watched, on a simulated network, and a client.
pub(crate) async fn watched(service: impl HttpService) -> (Arc<Seen>, Peer) {
    watched_and_configured(service, |_| {}).await
}

/// The same, with deadlines and limits other than the default ones.
pub(crate) async fn watched_and_configured(
    service: impl HttpService,
    change: impl FnOnce(&mut ServerConfig),
) -> (Arc<Seen>, Peer) {
    watch_for_standstill();
    let mut config = ServerConfig::default();
    change(&mut config);
    let network = Network::default();
    let seen = Arc::<Seen>::default();
    let transport = Watched { inner: network.clone(), seen: seen.clone() };
    let server = Server::new(service).config(config).listen("sim:alpha:80", transport);
    server.spawn().expect("a free address");
    let addr = "sim:alpha:80".parse().expect("an address");
    let conn = network.dial_timeout(&addr, None).await.expect("a connection");
    (seen, Peer::new(conn, secs(1000)))
}

/// Another library, watched.
struct Watched<T> {
    inner: T,
    seen: Arc<Seen>,
}

/// What was seen, over all connections.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Flushes begun with something to send.
    flushes: AtomicUsize,
    most_queued: AtomicUsize,
    most_input_memory: AtomicUsize,
    last_input_memory: AtomicUsize,
    /// Waits that began with nothing unread and a buffer that was not given back.
    hoarding_waits: AtomicUsize,
}

impl Seen {
    pub(crate) fn flushes(&self) -> usize {
        self.flushes.load(Relaxed)
    }

    /// The most bytes that were queued at a time.
    pub(crate) fn most_queued(&self) -> usize {
        self.most_queued.load(Relaxed)
    }

    /// The most memory that was held for input at a time, in bytes.
    pub(crate) fn most_input_memory(&self) -> usize {
        self.most_input_memory.load(Relaxed)
    }

    /// How often a connection waited for input, with nothing unread, that had not been asked to give
    /// its buffer back.
    pub(crate) fn hoarding_waits(&self) -> usize {
        self.hoarding_waits.load(Relaxed)
    }

    /// The memory that was held for input when more was last waited for, in bytes.
    pub(crate) fn last_input_memory(&self) -> usize {
        self.last_input_memory.load(Relaxed)
    }
}

impl<T: Transport> Transport for Watched<T> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let watched = |inner| Box::new(WatchedListener { inner, seen: self.seen.clone() }) as _;
        Ok(self.inner.listen(addr, options)?.into_iter().map(watched).collect())
    }
}

struct WatchedListener {
    inner: Box<dyn Listener>,
    seen: Arc<Seen>,
}

impl Listener for WatchedListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        self.inner.poll_accept(cx).map_ok(|incoming| {
            let (peer, seen) = (incoming.peer_addr().clone(), self.seen.clone());
            let accepted = async move {
                let inner = incoming.accept().await?.into_bytes().expect("a byte stream");
                let conn = WatchedConn { inner, seen, is_flushing: false, has_buffer: false };
                Ok(Connection::Bytes(Box::new(conn)))
            };
            Incoming::handshake(peer, Box::pin(accepted))
        })
    }

    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }
}

struct WatchedConn {
    inner: Box<dyn Conn>,
    seen: Arc<Seen>,
    /// A flush is pending: the next poll goes on with it.
    is_flushing: bool,
    /// Bytes came, and since then the buffer was not given back while it was empty.
    has_buffer: bool,
}

impl WatchedConn {
    fn look(&self) {
        self.seen.most_queued.fetch_max(self.inner.queued(), Relaxed);
        let input_memory = self.inner.stats().input_memory;
        self.seen.most_input_memory.fetch_max(input_memory, Relaxed);
        self.seen.last_input_memory.store(input_memory, Relaxed);
    }
}

impl Conn for WatchedConn {
    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        let filled = self.inner.poll_fill(cx, n);
        self.look();
        match filled {
            Poll::Ready(_) => self.has_buffer = true,
            Poll::Pending if self.has_buffer && self.inner.is_empty() => {
                self.seen.hoarding_waits.fetch_add(1, Relaxed);
            }
            Poll::Pending => {}
        }
        filled
    }
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.look();
        if !self.is_flushing && self.inner.queued() > 0 {
            self.seen.flushes.fetch_add(1, Relaxed);
        }
        let flushed = self.inner.poll_flush(cx);
        self.is_flushing = flushed.is_pending();
        flushed
    }
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn buffered(&self) -> &[u8] {
        self.inner.buffered()
    }
    fn skip(&mut self, n: usize) -> Result<()> {
        self.inner.skip(n)
    }
    fn split(&mut self, n: usize) -> Result<Bytes> {
        self.inner.split(n)
    }
    fn release(&mut self) {
        self.has_buffer &= !self.inner.is_empty();
        self.inner.release();
    }
    fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.inner.malloc(n)
    }
    fn write_binary(&mut self, data: Bytes) {
        self.inner.write_binary(data);
    }
    fn queued(&self) -> usize {
        self.inner.queued()
    }
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_shutdown(cx)
    }
    fn abandon(&mut self, side: Side) {
        self.inner.abandon(side);
    }
    fn close(&mut self) {
        self.inner.close();
    }
    fn reset(&mut self) {
        self.inner.reset();
    }
    fn closer(&mut self) -> Closer {
        self.inner.closer()
    }
    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_read_timeout(timeout);
    }
    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_write_timeout(timeout);
    }
    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }
    fn peer_addr(&self) -> Addr {
        self.inner.peer_addr()
    }
    fn tls(&self) -> Option<&TlsInfo> {
        self.inner.tls()
    }
    fn stats(&self) -> ConnStats {
        self.inner.stats()
    }
}
