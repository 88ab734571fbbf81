//! A connection's state, and its loop over the requests that come together.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_net::Conn;
use tokio::time::Instant;

use super::stop::{Stop, Timeout};
use crate::h1::codec::memo::HeadKey;
use crate::server::{ConnectionInfo, Deadline, Phase, Reached, Worker};

/// The server's end of one connection.
pub(super) struct Connection {
    pub(super) conn: Box<dyn Conn>,
    pub(super) worker: Arc<Worker>,
    pub(super) info: Option<ConnectionInfo>,
    /// Requests read so far.
    pub(super) requests: u64,
    /// The head of the last request.
    pub(super) last_head: HeadKey,
    pub(super) stage: Stage,
    /// By when the head that is awaited has to be whole.
    pub(super) head_deadline: Option<Instant>,
    /// By when some of what is queued has to be taken; `None` while nothing waits to be sent.
    write_deadline: Option<Instant>,
    timer: Deadline,
    /// The time at the last look, as long as nothing was waited for since.
    now: Option<Instant>,
}

/// What of a request is under way, for the case that the connection ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing that would be missed.
    Between,
    /// A handler waits; one that is dropped then was cancelled.
    Handling,
    /// A response has begun, and its body has not ended.
    Responding,
}

impl Connection {
    pub(super) fn new(
        conn: Box<dyn Conn>,
        worker: Arc<Worker>,
        info: Option<ConnectionInfo>,
    ) -> Self {
        let mut connection = Self {
            conn,
            worker,
            info,
            requests: 0,
            last_head: HeadKey::default(),
            stage: Stage::Between,
            head_deadline: None,
            write_deadline: None,
            timer: Deadline::default(),
            now: None,
        };
        // The first request has its head deadline from the connection's beginning on.
        connection.head_deadline = connection.after(connection.worker.config.header_timeout);
        connection.timer.set(connection.head_deadline);
        connection
    }

    /// Waits for the first byte of a request; false when there will be none.
    pub(super) fn wait_for_request(&mut self) -> impl Future<Output = bool> {
        poll_fn(|cx| {
            match self.conn.poll_fill(cx, 1) {
                Poll::Ready(filled) => return Poll::Ready(filled.is_ok()),
                Poll::Pending => self.now = None,
            }
            if self.worker.registry.phase() >= Phase::Draining {
                return Poll::Ready(false);
            }
            self.timer.poll_passed(cx).map(|()| {
                self.worker.counters.timed_out.add_one();
                false
            })
        })
    }

    /// Begins the idle time of a connection.
    pub(super) fn rest(&mut self) {
        self.head_deadline = None;
        let idle = self.after(self.worker.config.idle_timeout);
        self.timer.set(idle);
    }

    /// How much may be queued before some of it has to be taken.
    pub(super) fn max_queued(&self) -> usize {
        self.worker.config.max_queued_bytes
    }

    /// The current time; looked up once for all that happens without waiting.
    pub(super) fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    /// A point in time, `timeout` from now.
    pub(super) fn after(&mut self, timeout: Option<Duration>) -> Option<Instant> {
        timeout.map(|timeout| self.now() + timeout)
    }

    /// Sends what is queued, and waits for nothing else.
    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let sent = self.poll_send(cx);
        if sent.is_ready() {
            return sent;
        }
        self.poll_timeout(cx, None, Timeout::Write).map(Err)
    }

    /// Sends what is queued; while it is pending, each progress gives it new time.
    #[inline]
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let before = self.conn.queued();
        let sent = self.conn.poll_flush(cx);
        self.pace(before, sent)
    }

    /// Sends what is queued and ends this side, in the time that sending has.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stop>> {
        let before = self.conn.queued();
        let ended = self.conn.poll_shutdown(cx);
        let ended = self.pace(before, ended);
        if ended.is_ready() {
            return ended;
        }
        self.poll_timeout(cx, None, Timeout::Write).map(Err)
    }

    /// Passes on what sending gave, with `before` queued when it began.
    #[inline]
    fn pace(
        &mut self,
        before: usize,
        sent: Poll<dipole_net::Result<()>>,
    ) -> Poll<Result<(), Stop>> {
        match sent {
            Poll::Ready(Ok(())) => {
                self.write_deadline = None;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Stop::ClientGone(error))),
            Poll::Pending => {
                if self.write_deadline.is_none() || self.conn.queued() < before {
                    self.write_deadline = self.after(self.worker.config.write_timeout);
                }
                self.now = None;
                Poll::Pending
            }
        }
    }

    /// To be called when all else is pending: ready when `deadline` has passed (`timeout` says
    /// what it was for) or when what is queued has not been taken for too long.
    pub(super) fn poll_timeout(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        timeout: Timeout,
    ) -> Poll<Stop> {
        self.now = None;
        let (at, timeout) = match (deadline, self.write_deadline) {
            (Some(deadline), Some(write)) if write < deadline => (Some(write), Timeout::Write),
            (None, write) => (write, Timeout::Write),
            (deadline, _) => (deadline, timeout),
        };
        self.timer.set(at);
        self.timer.poll_passed(cx).map(|()| Stop::TimedOut(timeout))
    }
}

impl Connection {
    /// Counts the handler that was dropped before its end, if one was; says whether.
    pub(super) fn note_dropped_handler(&mut self) -> Reached {
        if self.stage != Stage::Handling {
            return Reached::Server;
        }
        self.stage = Stage::Between;
        self.worker.counters.cancelled.add_one();
        Reached::Service
    }

    /// Before the connection is dropped.
    pub(super) fn end(&mut self) {
        self.note_dropped_handler();
        if self.stage == Stage::Responding || self.conn.queued() > 0 {
            // An orderly end could pass for the end of the answer.
            self.conn.reset();
        }
    }
}
