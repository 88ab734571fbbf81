//! A connection around another one, of which only the difference has to be said.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Addr, Closer, Conn, ConnStats, Result, Side, TlsInfo};

/// What a [`Surrounded`] connection does otherwise than the one inside. Whatever is not said goes
/// to the inner one as it is.
pub trait Around: Send {
    /// As [`Conn::poll_fill`].
    ///
    /// # Errors
    /// As `Conn::poll_fill`.
    fn poll_fill(
        &mut self,
        inner: &mut dyn Conn,
        cx: &mut Context<'_>,
        n: usize,
    ) -> Poll<Result<()>> {
        inner.poll_fill(cx, n)
    }

    /// As [`Conn::poll_flush`].
    ///
    /// # Errors
    /// As `Conn::poll_flush`.
    fn poll_flush(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        inner.poll_flush(cx)
    }

    /// As [`Conn::poll_shutdown`].
    ///
    /// # Errors
    /// As `Conn::poll_shutdown`.
    fn poll_shutdown(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        inner.poll_shutdown(cx)
    }

    /// As [`Conn::local_addr`].
    fn local_addr(&self, inner: &dyn Conn) -> Addr {
        inner.local_addr()
    }

    /// As [`Conn::peer_addr`].
    fn peer_addr(&self, inner: &dyn Conn) -> Addr {
        inner.peer_addr()
    }

    /// As [`Conn::stats`].
    fn stats(&self, inner: &dyn Conn) -> ConnStats {
        inner.stats()
    }

    /// The connection is dropped.
    fn on_drop(&mut self, inner: &dyn Conn) {
        let _ = inner;
    }
}

/// A connection with something [`Around`] it.
pub struct Surrounded<A: Around> {
    inner: Box<dyn Conn>,
    around: A,
}

impl<A: Around> Surrounded<A> {
    /// `around` put around `inner`.
    #[must_use]
    pub fn new(inner: Box<dyn Conn>, around: A) -> Self {
        Self { inner, around }
    }
}

impl<A: Around> Conn for Surrounded<A> {
    fn len(&self) -> usize {
        self.inner.len()
    }
    fn buffered(&self) -> &[u8] {
        self.inner.buffered()
    }
    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        self.around.poll_fill(&mut *self.inner, cx, n)
    }
    fn skip(&mut self, n: usize) -> Result<()> {
        self.inner.skip(n)
    }
    fn split(&mut self, n: usize) -> Result<Bytes> {
        self.inner.split(n)
    }
    fn release(&mut self) {
        self.inner.release();
    }
    fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.inner.malloc(n)
    }
    fn write_slice(&mut self, data: &[u8]) {
        self.inner.write_slice(data);
    }
    fn write_binary(&mut self, data: Bytes) {
        self.inner.write_binary(data);
    }
    fn queued(&self) -> usize {
        self.inner.queued()
    }
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.around.poll_flush(&mut *self.inner, cx)
    }
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.around.poll_shutdown(&mut *self.inner, cx)
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
        self.around.local_addr(&*self.inner)
    }
    fn peer_addr(&self) -> Addr {
        self.around.peer_addr(&*self.inner)
    }
    fn tls(&self) -> Option<&TlsInfo> {
        self.inner.tls()
    }
    fn stats(&self) -> ConnStats {
        self.around.stats(&*self.inner)
    }
}

impl<A: Around> Drop for Surrounded<A> {
    fn drop(&mut self) {
        self.around.on_drop(&*self.inner);
    }
}
