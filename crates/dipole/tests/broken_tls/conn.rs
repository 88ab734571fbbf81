//! The broken layer's connections.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole::net::{Addr, Closer, Conn, ConnStats, ErrorKind, Result, Side, TlsInfo};

use crate::Fault;

/// A secured connection with one fault built in.
pub(crate) struct BrokenConn {
    pub(crate) inner: Box<dyn Conn>,
    pub(crate) fault: Fault,
}

impl Conn for BrokenConn {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn buffered(&self) -> &[u8] {
        self.inner.buffered()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        self.inner.poll_fill(cx, n).map_err(|error| match (self.fault, error.kind()) {
            (Fault::TruncationReadsAsEnd, ErrorKind::Reset) => ErrorKind::Eof.into(),
            (Fault::EndReadsAsTruncation, ErrorKind::Eof) => ErrorKind::Reset.into(),
            _ => error,
        })
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

    fn write_binary(&mut self, data: Bytes) {
        self.inner.write_binary(data);
        if self.fault == Fault::SealsAndSendsAtOnce {
            // Its outcome comes again with the flush that is asked for.
            let _ = self.inner.poll_flush(&mut Context::from_waker(std::task::Waker::noop()));
        }
    }

    fn queued(&self) -> usize {
        self.inner.queued()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.inner.poll_shutdown(cx);
        if polled.is_ready() && self.fault == Fault::CloseNotifyEndsBoth {
            self.inner.close();
        }
        polled
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
        if self.fault != Fault::HasNoReadTimeout {
            self.inner.set_read_timeout(timeout);
        }
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
