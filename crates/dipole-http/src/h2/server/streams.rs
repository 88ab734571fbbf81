//! The tasks of a connection's streams.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::task;
use tokio::time::Instant;

use crate::HttpService;
use crate::server::{Deadline, Exchanges};

/// hyper's executor: each stream is a task that ends with its connection's server.
///
/// hyper calls the service and at once hands the future of that stream to its executor, both in the
/// connection's task. So the service leaves its [`Pace`] here, and the task takes it.
pub(super) struct Streams<S> {
    exchanges: Exchanges<S>,
    expected: Arc<Mutex<Option<Expected>>>,
}

struct Expected {
    by: Option<task::Id>,
    pace: Arc<Pace>,
}

impl<S> Streams<S> {
    pub(super) fn new(exchanges: Exchanges<S>) -> Self {
        Self { exchanges, expected: Arc::default() }
    }

    /// The pace of the stream whose task comes next.
    pub(super) fn expect_stream(&self) -> Arc<Pace> {
        let pace = Arc::<Pace>::default();
        let expected = Expected { by: task::try_id(), pace: Arc::clone(&pace) };
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = Some(expected);
        pace
    }

    /// `None` for the tasks of upgraded streams, which other tasks start.
    fn take_pace(&self) -> Option<Arc<Pace>> {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.take_if(|expected| expected.by == task::try_id()).map(|expected| expected.pace)
    }
}

impl<S: Clone> Clone for Streams<S> {
    fn clone(&self) -> Self {
        Self { exchanges: self.exchanges.clone(), expected: Arc::clone(&self.expected) }
    }
}

impl<S, F> Executor<F> for Streams<S>
where
    S: HttpService,
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let pace = self.take_pace();
        let timeout = self.exchanges.config().write_timeout;
        self.exchanges.spawn(Stream { pace, timeout, seen: 0, timer: Deadline::default(), future });
    }
}

/// How far the client has taken a response's body: pieces given and taken, in turn.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Odd while a piece waits to be taken.
    steps: AtomicU64,
}

impl Pace {
    /// A piece was given to be sent.
    pub(super) fn given(&self) {
        self.steps.fetch_or(1, Ordering::Relaxed);
    }

    /// The next piece is asked for: there is room for it.
    pub(super) fn taken(&self) {
        let steps = self.steps.load(Ordering::Relaxed);
        self.steps.store(steps + (steps & 1), Ordering::Relaxed);
    }
}

pin_project! {
    /// A stream's task: ends when the client takes nothing of its response for too long.
    struct Stream<F> {
        pace: Option<Arc<Pace>>,
        timeout: Option<Duration>,
        // The step that the timer is for.
        seen: u64,
        timer: Deadline,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.future.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let (Some(pace), Some(timeout)) = (this.pace, *this.timeout) else {
            return Poll::Pending;
        };
        let steps = pace.steps.load(Ordering::Relaxed);
        if steps != *this.seen {
            *this.seen = steps;
            let is_waiting = steps & 1 == 1;
            this.timer.set(is_waiting.then(|| Instant::now() + timeout));
        }
        // Dropping hyper's stream resets it.
        this.timer.poll_passed(cx)
    }
}
