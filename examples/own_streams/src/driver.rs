//! The connection's task: frames from the byte stream to the state, and from the state to it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use dipole_net::{Conn, ConnExt, Error, ErrorKind, Initiator, Result};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::frame::{Close, Frame, HEADER, Header, Malformed};
use crate::session::Session;

/// When a connection is idle, and when it says something so as not to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) idle: Option<Duration>,
    pub(crate) keep_alive: Option<Duration>,
}

/// How long the last frames of a connection may take.
const LINGER: Duration = Duration::from_secs(1);
/// So much is queued in the byte stream before it is flushed, in bytes.
const BATCH: usize = 64 * 1024;
/// So many frames are read before others get their turn.
const TURN: usize = 256;

struct Driver {
    conn: Box<dyn Conn>,
    session: Arc<Session>,
    times: Times,
    /// When something came last.
    heard: Instant,
    /// When something was last said to keep the connection alive.
    pinged: Instant,
    /// Something has been said since anything was heard: an answer is asked for, once.
    is_unanswered: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

/// Carries a connection to its end.
pub(crate) async fn run(conn: Box<dyn Conn>, session: Arc<Session>, times: Times) {
    let now = Instant::now();
    let (heard, pinged, is_unanswered, sleep) = (now, now, false, None);
    let mut driver = Driver { conn, session, times, heard, pinged, is_unanswered, sleep };
    let error = poll_fn(|cx| driver.poll(cx)).await;
    if let Some(error) = error {
        driver.session.with(|state, woken| state.end(error, None, woken));
    }
    if let Some(frame) = driver.session.with(|state, _| state.last_word()) {
        drop(timeout(LINGER, say(&mut *driver.conn, frame)).await);
    }
}

/// Says the last word, and waits until the peer has ended too: so that it is not lost to a reset.
async fn say(conn: &mut dyn Conn, frame: Frame) -> Result<()> {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    conn.put(&out);
    conn.shutdown().await?;
    loop {
        conn.peek(1).await?;
        conn.skip(conn.len())?;
    }
}

impl Driver {
    /// Ready at the connection's end; with what the byte stream failed with, if that was it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        self.session.with(|state, _| state.driver = Some(cx.waker().clone()));
        for frames in 0.. {
            if frames == TURN {
                cx.waker().wake_by_ref();
                break;
            }
            match self.poll_frame(cx) {
                Poll::Ready(Ok(frame)) => self.hear(frame),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(error)),
                Poll::Pending => break,
            }
        }
        if self.conn.is_empty() {
            self.conn.release();
        }
        if self.session.with(|state, _| state.ended.is_some()) {
            return Poll::Ready(None);
        }
        loop {
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                return Poll::Ready(Some(error));
            }
            ready!(self.poll_time(cx));
            if self.session.with(|state, _| state.ended.is_some()) {
                return Poll::Ready(None);
            }
        }
    }

    /// The peer's next frame.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame>> {
        if let Err(error) = ready!(self.conn.poll_fill(cx, HEADER)) {
            return Poll::Ready(Err(self.lost(error)));
        }
        let header = match Header::decode(self.conn.buffered()) {
            Ok(Some(header)) => header,
            Ok(None) => return Poll::Pending,
            Err(malformed) => return Poll::Ready(Err(self.violated(malformed))),
        };
        if let Err(error) = ready!(self.conn.poll_fill(cx, HEADER + header.length)) {
            return Poll::Ready(Err(self.lost(error)));
        }
        self.conn.skip(HEADER)?;
        let payload = self.conn.split(header.length)?;
        Poll::Ready(Frame::decode(header, payload).map_err(|malformed| self.violated(malformed)))
    }

    /// What the connection ends with when its byte stream has.
    fn lost(&self, error: Error) -> Error {
        let idle = self.times.idle;
        match error.kind() {
            // The peer would have said something before an end in order.
            _ if idle.is_some_and(|idle| self.heard.elapsed() >= idle) => {
                ErrorKind::TimedOut.into()
            }
            ErrorKind::Eof => Error::with_source(ErrorKind::Reset, error),
            _ => error,
        }
    }

    fn violated(&self, Malformed(what): Malformed) -> Error {
        self.session.with(|state, woken| state.end_for_violation(what, woken));
        let kind = ErrorKind::Protocol { code: crate::state::VIOLATION, by: Initiator::Local };
        Error::with_message(kind, what)
    }

    fn hear(&mut self, frame: Frame) {
        self.heard = Instant::now();
        self.is_unanswered = false;
        let received = self.conn.stats().received;
        self.session.with(|state, woken| {
            state.received = received;
            state.receive(frame, woken);
        });
    }

    /// Gives the byte stream what is to be said; ready when it has taken all of it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if self.conn.queued() == 0 && !self.queue() {
                return Poll::Ready(Ok(()));
            }
            if let Err(error) = ready!(self.conn.poll_flush(cx)) {
                // What the peer said before it went says why it has gone.
                return match self.read_on(cx) {
                    true => Poll::Ready(Ok(())),
                    false => Poll::Ready(Err(self.lost(error))),
                };
            }
            let sent = self.conn.stats().sent;
            self.session.with(|state, _| state.sent = sent);
        }
    }

    /// Takes what has come already; true when that ended the connection.
    fn read_on(&mut self, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(Ok(frame)) = self.poll_frame(cx) {
            self.hear(frame);
            if self.session.with(|state, _| state.ended.is_some()) {
                return true;
            }
        }
        false
    }

    /// Queues frames in the byte stream; true when there was one.
    fn queue(&mut self) -> bool {
        let mut out = BytesMut::new();
        while self.conn.queued() + out.len() < BATCH {
            let Some(frame) = self.session.with(|state, woken| state.next(woken)) else { break };
            self.is_unanswered |= !matches!(frame, Frame::Ping | Frame::Pong);
            let data = frame.encode(&mut out);
            if !data.is_empty() {
                self.conn.put(&out.split());
                self.conn.write_binary(data);
            }
        }
        self.conn.put(&out);
        self.conn.queued() > 0
    }

    /// Ready when it was time for something, and that has been done.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let dies = self.times.idle.map(|idle| self.heard + idle);
        let asks = self.times.idle.filter(|_| self.is_unanswered);
        let asks = asks.map(|idle| self.heard + idle / 2);
        let pings = self.times.keep_alive.map(|every| self.heard.max(self.pinged) + every);
        if dies.is_some_and(|at| at <= now) {
            let error = Error::new(ErrorKind::TimedOut);
            self.session.with(|state, woken| state.end(error, Some(Close::Idle), woken));
            return Poll::Ready(());
        }
        if asks.is_some_and(|at| at <= now) || pings.is_some_and(|at| at <= now) {
            self.is_unanswered = false;
            self.pinged = now;
            self.session.with(|state, _| state.pings = true);
            return Poll::Ready(());
        }
        let Some(next) = [dies, asks, pings].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        match &mut self.sleep {
            Some(sleep) if sleep.deadline() == next => {}
            Some(sleep) => sleep.as_mut().reset(next),
            None => self.sleep = Some(Box::pin(sleep_until(next))),
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The runtime has ended under it.
        let error = Error::new(ErrorKind::Closed);
        self.session.with(|state, woken| state.end(error, None, woken));
    }
}
