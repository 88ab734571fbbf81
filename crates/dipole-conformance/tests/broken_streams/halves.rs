//! The broken library's streams.

use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use dipole_net::{BoxReceive, BoxSend, ErrorKind, ReceiveStream, Result, SendStream};

use crate::fault::Fault;

/// A correct sending half with one fault built in, or none.
pub(crate) struct BrokenSend {
    inner: BoxSend,
    fault: Option<Fault>,
    closed: bool,
}

impl BrokenSend {
    pub(crate) fn new(inner: BoxSend, fault: Option<Fault>) -> Self {
        Self { inner, fault, closed: false }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl SendStream for BrokenSend {
    fn id(&self) -> u64 {
        self.inner.id() + u64::from(self.has(Fault::CountsStreamsFromOne))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        self.inner.poll_write(cx, data)
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        self.inner.poll_write_bytes(cx, data)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if std::mem::replace(&mut self.closed, true) && self.has(Fault::ClosingTwiceFails) {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        self.inner.poll_close(cx)
    }

    fn cancel_write(&mut self, code: u64) {
        match self.has(Fault::CancelEndsWell) {
            true => drop(self.inner.poll_close(&mut Context::from_waker(Waker::noop()))),
            false => self.inner.cancel_write(code),
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        match self.has(Fault::NeverTellsOfAStop) {
            true => Poll::Pending,
            false => self.inner.poll_stopped(cx),
        }
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        if !self.has(Fault::IgnoresWriteDeadlines) {
            self.inner.set_write_deadline(deadline);
        }
    }

    fn set_priority(&mut self, priority: i32) {
        if !self.has(Fault::IgnoresPriorities) {
            self.inner.set_priority(priority);
        }
    }
}

/// A correct receiving half with one fault built in, or none.
pub(crate) struct BrokenReceive {
    inner: BoxReceive,
    fault: Option<Fault>,
    ended: bool,
}

impl BrokenReceive {
    pub(crate) fn new(inner: BoxReceive, fault: Option<Fault>) -> Self {
        Self { inner, fault, ended: false }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl ReceiveStream for BrokenReceive {
    fn id(&self) -> u64 {
        self.inner.id() + u64::from(self.has(Fault::CountsStreamsFromOne))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        if self.ended && self.has(Fault::EndIsGivenOnce) {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        Poll::Ready(match ready!(self.inner.poll_read(cx)) {
            Ok(None) => {
                self.ended = true;
                Ok(None)
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::StreamReset { .. })
                    && self.has(Fault::ResetReadsAsEnd) =>
            {
                Ok(None)
            }
            read => read,
        })
    }

    fn cancel_read(&mut self, code: u64) {
        self.inner.cancel_read(if self.has(Fault::StopsWithoutTheCode) { 0 } else { code });
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        if !self.has(Fault::IgnoresReadDeadlines) {
            self.inner.set_read_deadline(deadline);
        }
    }

    fn is_early_data(&self) -> bool {
        self.inner.is_early_data() && !self.has(Fault::EarlyDataIsNotMarked)
    }
}
