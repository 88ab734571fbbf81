//! The deadline of a stream's reads or writes.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use tokio::time::Sleep;

/// A point in time until when the operations of one half of a stream may wait; a change acts on
/// the one that waits (S12). Without a deadline, or with nothing waiting, it holds no timer.
#[derive(Debug, Default)]
pub struct StreamDeadline {
    /// On the heap: most halves have none, and an idle connection holds several of them.
    limit: Option<Box<Limit>>,
    waiting: Option<Waker>,
}

#[derive(Debug)]
struct Limit {
    at: Instant,
    running: Option<Pin<Box<Sleep>>>,
}

impl StreamDeadline {
    /// Acts at once: whoever waits is woken, to look at it.
    pub fn set(&mut self, deadline: Option<Instant>) {
        self.limit = deadline.map(|at| Box::new(Limit { at, running: None }));
        self.wake();
    }

    /// Wakes whoever waits, since the stream has changed under it.
    pub fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    /// To be called when the operation is pending; ready when the deadline has passed, and then
    /// the operation has ended.
    pub fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = &mut self.limit else {
            self.wait(cx);
            return Poll::Pending;
        };
        let deadline = tokio::time::Instant::from_std(limit.at);
        // A timer would take its resolution to say so.
        if deadline <= tokio::time::Instant::now() {
            self.end();
            return Poll::Ready(());
        }
        let running =
            limit.running.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        match running.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.end();
                Poll::Ready(())
            }
            Poll::Pending => {
                self.wait(cx);
                Poll::Pending
            }
        }
    }

    /// To be called when the operation is ready.
    pub fn end(&mut self) {
        if let Some(limit) = &mut self.limit {
            limit.running = None;
        }
        self.waiting = None;
    }

    /// `poll`, or ready with `late` when it is pending past the deadline.
    pub fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<T>,
        late: impl FnOnce() -> T,
    ) -> Poll<T> {
        if poll.is_pending() {
            ready!(self.poll_elapsed(cx));
            return Poll::Ready(late());
        }
        self.end();
        poll
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waiting {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waiting = Some(cx.waker().clone()),
        }
    }
}
