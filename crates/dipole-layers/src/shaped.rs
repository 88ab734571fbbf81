//! A connection whose bytes pass in steps: later, in other pieces, watched, or not at all.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dipole_io::OperationTimer;
use dipole_net::{Addr, Closer, Conn, ConnExt, ConnStats, Error, ErrorKind, Result, Side, TlsInfo};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Ticket;
use crate::queue::{COPY_SIZE, Queue};

/// How bytes pass.
pub(crate) trait Shape: Send + 'static {
    /// What becomes of the next of `n` bytes, at least one, that wait to go to `side`.
    fn step(&mut self, side: Side, n: usize) -> Step;

    /// Bytes have passed. They are contiguous only where [`WATCHES`](Self::WATCHES) is true.
    fn passed(&mut self, side: Side, bytes: &[u8]) {
        let _ = (side, bytes);
    }

    /// Something other than bytes has happened.
    fn happened(&mut self, what: Happening) {
        let _ = what;
    }

    /// `passed` wants to see every byte.
    const WATCHES: bool = false;
}

/// What becomes of the next bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// So many pass together, at this time; `None` is at once.
    Pass(usize, Option<Instant>),
    /// The connection is broken off.
    Reset,
    /// The direction ends here: a reader sees the end, a writer's peer does.
    End,
}

/// What happens beside bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    /// The peer's end was read.
    PeerEnded,
    /// The peer's reset was seen.
    PeerReset,
    /// This side ended its direction.
    Ended,
    /// This side closed the connection.
    Closed,
    /// This side broke it off.
    Reset,
}

/// A connection with a shape.
pub(crate) struct Shaped<S: Shape> {
    inner: Box<dyn Conn>,
    shape: S,
    closer: Option<Closer>,
    state: State,
    /// Bytes of the inner connection's that have passed and are unread.
    visible: usize,
    reading: Half,
    queue: Queue,
    writing: Half,
    _ticket: Ticket,
}

#[derive(Debug, Default)]
struct Half {
    timer: OperationTimer,
    step: Option<(usize, Pacing)>,
    /// Why it is over, given again each time.
    over: Option<Error>,
}

#[derive(Debug)]
enum Pacing {
    Now,
    Later(Pin<Box<Sleep>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl<S: Shape> Shaped<S> {
    pub(crate) fn new(mut inner: Box<dyn Conn>, shape: S, ticket: Ticket) -> Self {
        // This layer's timeouts span what it waits for itself, too.
        inner.set_read_timeout(None);
        Self {
            inner,
            shape,
            closer: None,
            state: State::Open,
            visible: 0,
            reading: Half::default(),
            queue: Queue::default(),
            writing: Half::default(),
            _ticket: ticket,
        }
    }

    fn still_open(&mut self) -> Result<()> {
        if self.state == State::Open && self.closer.as_ref().is_some_and(Closer::is_closed) {
            self.close();
        }
        match self.state {
            State::Open => Ok(()),
            State::Closed => Err(ErrorKind::Closed.into()),
        }
    }

    /// Waits until the next step of `side` is due; gives how many of `n` bytes it lets pass.
    fn poll_step(&mut self, cx: &mut Context<'_>, side: Side, n: usize) -> Poll<Result<usize>> {
        let half = match side {
            Side::Read => &mut self.reading,
            Side::Write => &mut self.writing,
        };
        if half.step.is_none() {
            let (length, at) = match self.shape.step(side, n) {
                Step::Pass(length, at) => (length.max(1), at),
                Step::Reset => {
                    self.inner.reset();
                    return Poll::Ready(Err(self.fail_both(ErrorKind::Reset)));
                }
                Step::End => return Poll::Ready(Err(self.end_here(side))),
            };
            let later = at.map(|at| Pacing::Later(Box::pin(sleep_until(at))));
            half.step = Some((length, later.unwrap_or(Pacing::Now)));
        }
        if let Some((_, Pacing::Later(sleep))) = &mut half.step {
            ready!(sleep.as_mut().poll(cx));
        }
        let length = half.step.take().map_or(n, |(length, _)| length);
        Poll::Ready(Ok(length.min(n)))
    }

    /// Something is waited for: it may take too long, or be closed meanwhile.
    fn poll_wait(&mut self, cx: &mut Context<'_>, side: Side) -> Poll<Result<()>> {
        if let Some(closer) = &self.closer
            && closer.register(side, cx.waker())
        {
            self.close();
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        let half = match side {
            Side::Read => &mut self.reading,
            Side::Write => &mut self.writing,
        };
        ready!(half.timer.poll_elapsed(cx));
        self.inner.abandon(side);
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    fn fail_both(&mut self, kind: ErrorKind) -> Error {
        let error = Error::new(kind);
        self.visible = 0;
        self.reading.over = Some(error.clone());
        self.fail_writes(error)
    }

    fn fail_writes(&mut self, error: Error) -> Error {
        self.queue.clear();
        self.writing.timer.end();
        self.writing.over.get_or_insert(error).clone()
    }

    /// The direction ends though there is more.
    fn end_here(&mut self, side: Side) -> Error {
        match side {
            Side::Read => self.reading.over.insert(ErrorKind::Eof.into()).clone(),
            Side::Write => {
                self.inner.close();
                self.reading.over = Some(ErrorKind::Closed.into());
                self.visible = 0;
                self.fail_writes(ErrorKind::Closed.into())
            }
        }
    }

    fn poll_visible(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        while self.visible < n {
            if let Some(error) = &self.reading.over {
                return Poll::Ready(Err(error.clone()));
            }
            if self.inner.len() > self.visible {
                let hidden = self.inner.len() - self.visible;
                match self.poll_step(cx, Side::Read, hidden) {
                    Poll::Ready(Ok(length)) => self.show(cx, length)?,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => ready!(self.poll_wait(cx, Side::Read))?,
                }
                continue;
            }
            match self.inner.poll_fill(cx, self.visible + 1) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    match error.kind() {
                        ErrorKind::Eof => self.shape.happened(Happening::PeerEnded),
                        ErrorKind::Reset => self.shape.happened(Happening::PeerReset),
                        _ => {}
                    }
                    self.reading.over = Some(error.clone());
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => ready!(self.poll_wait(cx, Side::Read))?,
            }
        }
        // All of it is held, so this only makes it contiguous.
        self.inner.poll_fill(cx, n)
    }

    fn show(&mut self, cx: &mut Context<'_>, length: usize) -> Result<()> {
        let begin = self.visible;
        self.visible += length;
        if S::WATCHES {
            if let Poll::Ready(Err(error)) = self.inner.poll_fill(cx, self.visible) {
                return Err(error);
            }
            self.shape.passed(Side::Read, &self.inner.buffered()[begin..self.visible]);
        }
        Ok(())
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if let Some(error) = &self.writing.over {
                let error = error.clone();
                self.queue.clear();
                return Poll::Ready(Err(error));
            }
            match self.inner.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail_writes(error))),
                Poll::Pending => {
                    let late = ready!(self.poll_wait(cx, Side::Write));
                    return Poll::Ready(late.map_err(|error| self.fail_writes(error)));
                }
            }
            if self.queue.len() == 0 {
                return Poll::Ready(Ok(()));
            }
            match self.poll_step(cx, Side::Write, self.queue.len()) {
                Poll::Ready(Ok(length)) => self.pass(length),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let late = ready!(self.poll_wait(cx, Side::Write));
                    return Poll::Ready(late.map_err(|error| self.fail_writes(error)));
                }
            }
        }
    }

    /// Gives `length` queued bytes to the inner connection.
    fn pass(&mut self, mut length: usize) {
        while length > 0
            && let Some(piece) = self.queue.take(length)
        {
            length -= piece.len();
            if S::WATCHES {
                self.shape.passed(Side::Write, &piece);
            }
            if piece.len() < COPY_SIZE {
                // Copied or allocated when it was queued; counted then.
                self.inner.put(&piece);
            } else {
                self.inner.write_binary(piece);
            }
        }
    }

    fn takes_output(&self) -> bool {
        self.state == State::Open && self.writing.over.is_none()
    }

    fn close_as(&mut self, what: Happening) {
        if self.state == State::Open {
            self.state = State::Closed;
            self.shape.happened(what);
            self.visible = 0;
            self.queue.clear();
            self.reading.timer.end();
            self.writing.timer.end();
        }
    }
}

impl<S: Shape> Conn for Shaped<S> {
    fn len(&self) -> usize {
        self.visible
    }

    fn buffered(&self) -> &[u8] {
        let held = self.inner.buffered();
        &held[..held.len().min(self.visible)]
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        self.still_open()?;
        let polled = self.poll_visible(cx, n);
        if polled.is_ready() {
            self.reading.timer.end();
        }
        polled
    }

    fn skip(&mut self, n: usize) -> Result<()> {
        self.still_open()?;
        if n > self.visible {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.visible -= n;
        self.inner.skip(n)
    }

    fn split(&mut self, n: usize) -> Result<Bytes> {
        self.still_open()?;
        if n > self.visible {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.visible -= n;
        self.inner.split(n)
    }

    fn release(&mut self) {
        self.inner.release();
    }

    fn malloc(&mut self, n: usize) -> &mut [u8] {
        if self.takes_output() { self.queue.malloc(n) } else { self.queue.scratch(n) }
    }

    fn write_binary(&mut self, data: Bytes) {
        if self.takes_output() {
            self.queue.write_binary(data);
        }
    }

    fn queued(&self) -> usize {
        if self.takes_output() { self.queue.len() + self.inner.queued() } else { 0 }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Err(error) = self.still_open() {
            self.queue.clear();
            return Poll::Ready(Err(error));
        }
        let polled = self.poll_sent(cx);
        if polled.is_ready() {
            self.writing.timer.end();
        }
        polled
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_flush(cx))?;
        let polled = match self.inner.poll_shutdown(cx) {
            Poll::Pending => match ready!(self.poll_wait(cx, Side::Write)) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(self.fail_writes(error))),
            },
            ready => ready,
        };
        if polled.is_ready() {
            self.writing.timer.end();
        }
        if let Poll::Ready(Ok(())) = polled {
            self.shape.happened(Happening::Ended);
        }
        polled
    }

    fn abandon(&mut self, side: Side) {
        self.inner.abandon(side);
        match side {
            Side::Read => self.reading.timer.end(),
            Side::Write => self.writing.timer.end(),
        }
    }

    fn close(&mut self) {
        self.close_as(Happening::Closed);
        self.inner.close();
    }

    fn reset(&mut self) {
        self.close_as(Happening::Reset);
        self.inner.reset();
    }

    fn closer(&mut self) -> Closer {
        let inner = &mut self.inner;
        self.closer.get_or_insert_with(|| inner.closer()).clone()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.reading.timer.set(timeout);
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.writing.timer.set(timeout);
        // The inner connection has to know, for its queue goes with a timeout.
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
        let mut stats = self.inner.stats();
        stats.copied += self.queue.copied;
        stats.output_memory += self.queue.memory();
        stats
    }
}

impl<S: Shape> Drop for Shaped<S> {
    fn drop(&mut self) {
        self.close_as(Happening::Closed);
    }
}
