//! Closing so that the client can read the last answer.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use super::After;
use super::connection::Connection;
use super::stop::{Stop, Timeout};
use crate::server::Phase;

impl Connection {
    /// Sends what is queued, ends this side, and takes in what the client still sends until it
    /// ends too or the time is up.
    ///
    /// RFC 9112 9.6: closing with unread bytes makes the network answer with a reset, and that
    /// may take the last answer from the client before it has read it. A client that has said
    /// itself that its request was the last sends nothing more, so it is not waited for.
    pub(super) async fn linger(&mut self, after: After) {
        // With what is queued, so that the end goes in the same packet where it has bytes of its own.
        if poll_fn(|cx| self.poll_end(cx)).await.is_err() {
            return;
        }
        if after == After::Part && self.is_silent() {
            return;
        }
        let deadline = Some(self.now() + self.worker.config.linger_timeout);
        // Whether it ended well makes no difference any more.
        let _: Stop = poll_fn(|cx| {
            if let Poll::Ready(gone) = self.poll_throw_away(cx) {
                return Poll::Ready(gone);
            }
            if after == After::Finish && self.worker.registry.phase() >= Phase::Draining {
                return Poll::Ready(Stop::TimedOut(Timeout::Idle));
            }
            self.poll_timeout(cx, deadline, Timeout::Write)
        })
        .await;
    }

    /// True when the client has sent nothing that is not read.
    fn is_silent(&mut self) -> bool {
        match self.conn.poll_fill(&mut Context::from_waker(Waker::noop()), 1) {
            Poll::Ready(filled) => filled.is_err(),
            Poll::Pending => true,
        }
    }

    fn poll_throw_away(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if let Err(error) = ready!(self.conn.poll_shutdown(cx)) {
            return Poll::Ready(Stop::ClientGone(error));
        }
        loop {
            let held = self.conn.len();
            let thrown = self.conn.skip(held);
            self.conn.release();
            if let Err(error) = thrown.and(ready!(self.conn.poll_fill(cx, 1))) {
                return Poll::Ready(Stop::ClientGone(error));
            }
        }
    }
}
