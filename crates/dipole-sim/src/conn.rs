//! One end of a connection.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Addr, Closer, Conn, ConnStats, Error, ErrorKind, Result, Side};

use crate::input::Input;
use crate::link::{End, Link};
use crate::output::Output;
use crate::pipe::{Sent, Taken};
use crate::wait::{Wait, Woke};

/// One end of a simulated connection.
///
/// What its reader holds and its writer has queued is its own; what is under way is shared with
/// the other end.
#[derive(Debug)]
pub struct SimConn {
    link: Arc<Link>,
    end: End,
    local: Addr,
    peer: Addr,
    closed: bool,
    closer: Option<Closer>,

    input: Input,
    /// The peer's end was seen; it stays seen.
    read_ended: bool,
    reading: Wait,
    read_timeout: Option<Duration>,
    received: u64,

    output: Output,
    writes: Writes,
    writing: Wait,
    write_timeout: Option<Duration>,
    sent: u64,
    copied: u64,
}

#[derive(Debug)]
enum Writes {
    Open,
    /// This side's direction was ended.
    Ended,
    /// A flush has failed, and so will each later one.
    Failed(Error),
}

impl SimConn {
    pub(crate) fn new(link: Arc<Link>, end: End, local: Addr, peer: Addr) -> Self {
        Self {
            link,
            end,
            local,
            peer,
            closed: false,
            closer: None,
            input: Input::default(),
            read_ended: false,
            reading: Wait::default(),
            read_timeout: None,
            received: 0,
            output: Output::default(),
            writes: Writes::Open,
            writing: Wait::default(),
            write_timeout: None,
            sent: 0,
            copied: 0,
        }
    }

    /// `Closed` once this end was closed, also from elsewhere.
    fn still_open(&mut self) -> Result<()> {
        if !self.closed && self.closer.as_ref().is_some_and(Closer::is_closed) {
            self.close();
        }
        if self.closed { Err(Error::new(ErrorKind::Closed)) } else { Ok(()) }
    }

    /// Has the closer wake `cx` too; `Closed` when it was closed already.
    fn watch_closer(&mut self, side: Side, cx: &Context<'_>) -> Result<()> {
        match &self.closer {
            Some(closer) if closer.register(side, cx.waker()) => self.still_open(),
            _ => Ok(()),
        }
    }

    fn writes_fail(&mut self, kind: ErrorKind) -> Error {
        let error = Error::new(kind);
        self.writes = Writes::Failed(error.clone());
        self.output.clear();
        error
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        let mut late = false;
        loop {
            let before = self.input.len();
            let taken = self.link.take(self.end, &mut self.input, n, cx.waker());
            self.received += (self.input.len() - before) as u64;
            let due = match taken {
                Taken::Enough => {
                    self.input.join(n);
                    return Poll::Ready(Ok(()));
                }
                Taken::Eof => {
                    self.read_ended = true;
                    return Poll::Ready(Err(Error::new(ErrorKind::Eof)));
                }
                Taken::Reset => return Poll::Ready(Err(Error::new(ErrorKind::Reset))),
                // What is due at the deadline was taken above: it beats the timeout.
                Taken::Waits(_) if late => {
                    self.link.forget(self.end, Side::Read);
                    return Poll::Ready(Err(Error::new(ErrorKind::TimedOut)));
                }
                Taken::Waits(due) => due,
            };
            self.watch_closer(Side::Read, cx)?;
            match self.reading.poll(cx, due, self.read_timeout) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(woke) => late = woke == Woke::Late,
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut late = false;
        loop {
            let before = self.output.len();
            let sent = self.link.send(self.end, &mut self.output, cx.waker());
            self.sent += (before - self.output.len()) as u64;
            match sent {
                Sent::All => return Poll::Ready(Ok(())),
                Sent::Unread => return Poll::Ready(Err(self.writes_fail(ErrorKind::Closed))),
                Sent::Broke | Sent::GivenUp => {
                    return Poll::Ready(Err(self.writes_fail(ErrorKind::Reset)));
                }
                Sent::Waits if late => {
                    self.link.forget(self.end, Side::Write);
                    return Poll::Ready(Err(self.writes_fail(ErrorKind::TimedOut)));
                }
                Sent::Waits => {}
            }
            self.watch_closer(Side::Write, cx)?;
            let gives_up_at = self.link.gives_up_at(self.end);
            match self.writing.poll(cx, gives_up_at, self.write_timeout) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(woke) => late = woke == Woke::Late,
            }
        }
    }

    /// Queued bytes that a flush would try to send: none after a failure.
    fn takes_output(&self) -> bool {
        !self.closed && !matches!(self.writes, Writes::Failed(_))
    }

    /// Gives up what this end holds. The link is told by the caller.
    fn end_here(&mut self) {
        self.closed = true;
        self.input = Input::default();
        self.output.clear();
        self.reading.end();
        self.writing.end();
    }
}

impl Conn for SimConn {
    fn len(&self) -> usize {
        self.input.len()
    }

    fn buffered(&self) -> &[u8] {
        self.input.buffered()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        self.still_open()?;
        let polled = if self.input.len() >= n {
            self.input.join(n);
            Poll::Ready(Ok(()))
        } else if self.read_ended {
            Poll::Ready(Err(Error::new(ErrorKind::Eof)))
        } else {
            self.poll_take(cx, n)
        };
        if polled.is_ready() {
            self.reading.end();
        }
        polled
    }

    fn skip(&mut self, n: usize) -> Result<()> {
        self.still_open()?;
        if n > self.input.len() {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        self.input.skip(n);
        Ok(())
    }

    fn split(&mut self, n: usize) -> Result<Bytes> {
        self.still_open()?;
        if n > self.input.len() {
            return Err(Error::new(ErrorKind::InvalidInput));
        }
        Ok(self.input.split(n))
    }

    fn release(&mut self) {
        self.input.release();
    }

    fn malloc(&mut self, n: usize) -> &mut [u8] {
        if self.takes_output() { self.output.malloc(n) } else { self.output.scratch(n) }
    }

    fn write_binary(&mut self, data: Bytes) {
        if self.takes_output() {
            self.copied += self.output.write_binary(data) as u64;
        }
    }

    fn queued(&self) -> usize {
        if self.takes_output() { self.output.len() } else { 0 }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Err(error) = self.still_open() {
            self.output.clear();
            return Poll::Ready(Err(error));
        }
        let polled = match &self.writes {
            Writes::Failed(error) => {
                let error = error.clone();
                self.output.clear();
                Poll::Ready(Err(error))
            }
            _ if self.output.len() == 0 => Poll::Ready(Ok(())),
            Writes::Ended => Poll::Ready(Err(self.writes_fail(ErrorKind::Closed))),
            Writes::Open => self.poll_send(cx),
        };
        if polled.is_ready() {
            self.writing.end();
        }
        polled
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.poll_flush(cx) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        if let Writes::Open = self.writes {
            if !self.link.finish(self.end) {
                return Poll::Ready(Err(self.writes_fail(ErrorKind::Reset)));
            }
            self.writes = Writes::Ended;
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&mut self, side: Side) {
        if !self.closed {
            self.link.forget(self.end, side);
        }
        match side {
            Side::Read => self.reading.end(),
            Side::Write => self.writing.end(),
        }
    }

    fn close(&mut self) {
        if !self.closed {
            self.link.close(self.end, self.input.len() > 0);
            self.end_here();
        }
    }

    fn reset(&mut self) {
        if !self.closed {
            self.link.reset(self.end);
            self.end_here();
        }
    }

    fn closer(&mut self) -> Closer {
        self.closer.get_or_insert_default().clone()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    fn local_addr(&self) -> Addr {
        self.local.clone()
    }

    fn peer_addr(&self) -> Addr {
        self.peer.clone()
    }

    fn stats(&self) -> ConnStats {
        let mut stats = ConnStats::default();
        stats.received = self.received;
        stats.sent = self.sent;
        stats.copied = self.copied;
        stats.input_memory = self.input.memory();
        stats.output_memory = self.output.memory();
        stats
    }
}

impl Drop for SimConn {
    fn drop(&mut self) {
        self.close();
    }
}
