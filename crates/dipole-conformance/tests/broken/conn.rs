//! The broken library's connections.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Addr, Closer, Conn, ConnExt, ConnStats, Connection, ErrorKind, Result, Side};
use tokio::time::Instant;

use crate::fault::Fault;

/// A correct connection with one fault built in, or none.
pub(crate) struct BrokenConn {
    inner: Box<dyn Conn>,
    fault: Option<Fault>,
    /// `PeekConsumes`: bytes that the last fill was asked for.
    shown: usize,
    /// `EachByteRestartsTheTimer`: bytes held when the timer last started.
    held: usize,
    /// `TimeoutBeatsHeldBytes`, `ResumesAfterWriteTimeout`: a timeout was given.
    timed_out: bool,
    /// `EndIsGivenOnce`: it was given.
    ended: bool,
    /// `KeepsTheFirstTimeout`: there was one.
    has_timeout: bool,
    /// `OneReadTimeoutForAll`: when it ends.
    read_deadline: Option<Instant>,
    /// `BinaryOvertakesMalloc`: what is to be sent last.
    mallocs: Vec<u8>,
    /// `CopiesLargeWrites`: how much.
    copied: u64,
    /// `DroppedFlushRepeatsAByte`: which byte.
    last_byte: u8,
    /// `ForgetsFlushErrors`: one was given.
    flush_failed: bool,
    closed: bool,
}

impl BrokenConn {
    /// The connection, with `fault` built in.
    pub(crate) fn build_into(connection: Connection, fault: Option<Fault>) -> Connection {
        match connection {
            Connection::Bytes(inner) => Connection::Bytes(Box::new(Self {
                inner,
                fault,
                shown: 0,
                held: 0,
                timed_out: false,
                ended: false,
                has_timeout: false,
                read_deadline: None,
                mallocs: Vec::new(),
                copied: 0,
                last_byte: 0,
                flush_failed: false,
                closed: false,
            })),
            other => other,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn lose_held(&mut self) {
        let held = self.inner.len();
        self.inner.skip(held).expect("it is held");
    }

    /// What becomes of a fill's end.
    fn filled(&mut self, filled: Result<()>, n: usize) -> Result<()> {
        let Err(error) = &filled else {
            self.shown = n;
            return filled;
        };
        match (self.fault, error.kind()) {
            (Some(Fault::EndLosesHeldBytes), ErrorKind::Eof)
            | (Some(Fault::TimeoutLosesHeldBytes), ErrorKind::TimedOut) => self.lose_held(),
            (Some(Fault::EndReadsAsReset), ErrorKind::Eof) => return Err(ErrorKind::Reset.into()),
            (Some(Fault::ResetReadsAsEnd), ErrorKind::Reset) => return Err(ErrorKind::Eof.into()),
            (Some(Fault::ReadsAfterCloseAsEnd), ErrorKind::Closed) if self.closed => {
                return Err(ErrorKind::Eof.into());
            }
            (Some(Fault::EndIsGivenOnce), ErrorKind::Eof) if self.ended => {
                return Err(ErrorKind::Closed.into());
            }
            (Some(Fault::EndIsGivenOnce), ErrorKind::Eof) => self.ended = true,
            (Some(Fault::TimeoutBeatsHeldBytes), ErrorKind::TimedOut) => self.timed_out = true,
            _ => {}
        }
        filled
    }

    /// What becomes of a flush's end.
    fn flushed(&mut self, flushed: Result<()>) -> Result<()> {
        let Err(error) = &flushed else { return flushed };
        match (self.fault, error.kind()) {
            (Some(Fault::ResumesAfterWriteTimeout), ErrorKind::TimedOut) if self.timed_out => {
                return Ok(());
            }
            (Some(Fault::ForgetsFlushErrors), _) if self.flush_failed => return Ok(()),
            (Some(Fault::IgnoresThatThePeerIsGone), ErrorKind::Closed | ErrorKind::Reset)
                if !self.closed =>
            {
                return Ok(());
            }
            _ => {}
        }
        self.timed_out |= error.is_timeout();
        self.flush_failed = true;
        flushed
    }
}

impl Conn for BrokenConn {
    fn len(&self) -> usize {
        let output = if self.has(Fault::LenCountsOutput) { self.inner.queued() } else { 0 };
        self.inner.len() + output
    }

    fn buffered(&self) -> &[u8] {
        self.inner.buffered()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        if self.has(Fault::PeekConsumes) {
            let shown = std::mem::take(&mut self.shown).min(self.inner.len());
            self.inner.skip(shown)?;
        }
        if self.has(Fault::TimeoutBeatsHeldBytes) && std::mem::take(&mut self.timed_out) {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        let reads_on = n == 0 && self.has(Fault::PeekOfNothingReads);
        let wanted = if reads_on { self.inner.len() + 1 } else { n };
        match self.inner.poll_fill(cx, wanted) {
            Poll::Ready(filled) => Poll::Ready(self.filled(filled, n)),
            Poll::Pending if self.has(Fault::EachByteRestartsTheTimer) => {
                if self.inner.len() == std::mem::replace(&mut self.held, self.inner.len()) {
                    return Poll::Pending;
                }
                self.inner.abandon(Side::Read);
                self.inner.poll_fill(cx, n)
            }
            Poll::Pending if self.has(Fault::OneReadTimeoutForAll) => match self.read_deadline {
                Some(deadline) if deadline <= Instant::now() => {
                    Poll::Ready(Err(ErrorKind::TimedOut.into()))
                }
                _ => Poll::Pending,
            },
            Poll::Pending => Poll::Pending,
        }
    }

    fn skip(&mut self, n: usize) -> Result<()> {
        self.shown = 0;
        let too_far = n > self.inner.len() && self.has(Fault::SkipsTooFar);
        self.inner.skip(if too_far { self.inner.len() } else { n })
    }

    fn split(&mut self, n: usize) -> Result<Bytes> {
        self.shown = 0;
        self.inner.split(n)
    }

    fn release(&mut self) {
        if self.has(Fault::ReleaseDropsUnread) {
            self.lose_held();
        }
        if !self.has(Fault::ReleaseKeepsMemory) {
            self.inner.release();
        }
    }

    fn malloc(&mut self, n: usize) -> &mut [u8] {
        if self.has(Fault::BinaryOvertakesMalloc) {
            let begin = self.mallocs.len();
            self.mallocs.resize(begin + n, 0);
            return &mut self.mallocs[begin..];
        }
        let dirty = self.has(Fault::MallocIsNotZeroed);
        let room = self.inner.malloc(n);
        if dirty {
            room.fill(0xaa);
        }
        room
    }

    fn write_binary(&mut self, data: Bytes) {
        self.last_byte = data.last().copied().unwrap_or_default();
        if self.has(Fault::CopiesLargeWrites) {
            self.copied += data.len() as u64;
            return self.inner.put(&data);
        }
        self.inner.write_binary(data);
        if self.has(Fault::SendsBeforeFlush) {
            // Its outcome comes again with the flush that is asked for.
            let _ = self.inner.poll_flush(&mut Context::from_waker(Waker::noop()));
        }
    }

    fn queued(&self) -> usize {
        self.inner.queued() + self.mallocs.len()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let last = std::mem::take(&mut self.mallocs);
        self.inner.put(&last);
        match self.inner.poll_flush(cx) {
            Poll::Ready(flushed) => Poll::Ready(self.flushed(flushed)),
            Poll::Pending if self.has(Fault::FlushDoesNotWait) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let last = std::mem::take(&mut self.mallocs);
        self.inner.put(&last);
        let polled = self.inner.poll_shutdown(cx);
        if polled.is_ready() && self.has(Fault::HalfCloseClosesAll) {
            self.inner.close();
        }
        polled
    }

    fn abandon(&mut self, side: Side) {
        self.inner.abandon(side);
        match (self.fault, side) {
            (Some(Fault::DroppedFillLosesAByte), Side::Read) if !self.inner.is_empty() => {
                self.inner.skip(1).expect("it is held");
            }
            (Some(Fault::DroppedFlushRepeatsAByte), Side::Write) if self.inner.queued() > 0 => {
                self.inner.put(&[self.last_byte]);
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        if self.closed && self.has(Fault::ClosingTwicePanics) {
            // As `panic!`, but without a message on stderr.
            std::panic::resume_unwind(Box::new("closed twice"));
        }
        self.closed = true;
        self.inner.close();
    }

    fn reset(&mut self) {
        self.closed = true;
        self.inner.reset();
    }

    fn closer(&mut self) -> Closer {
        if self.has(Fault::IgnoresTheCloser) { Closer::new() } else { self.inner.closer() }
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        if std::mem::replace(&mut self.has_timeout, true) && self.has(Fault::KeepsTheFirstTimeout) {
            return;
        }
        self.read_deadline = timeout.map(|timeout| Instant::now() + timeout);
        self.inner.set_read_timeout(timeout);
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_write_timeout(timeout);
    }

    fn local_addr(&self) -> Addr {
        self.inner.local_addr()
    }

    fn peer_addr(&self) -> Addr {
        match self.closed && self.has(Fault::ForgetsThePeerAtClose) {
            true => Addr::Unnamed,
            false => self.inner.peer_addr(),
        }
    }

    fn stats(&self) -> ConnStats {
        let mut stats = self.inner.stats();
        stats.copied += self.copied;
        stats
    }
}
