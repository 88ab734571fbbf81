//! Futures in the hands of a case: bounded, polled a few times and dropped, run beside it.
//!
//! All time is tokio's, so that a simulated library is judged on a paused clock.

use std::fmt::Display;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep, timeout};

use crate::stopwatch::{Stopwatch, Took};
use crate::verdict::{Failure, Verdict, expect};

/// Longer than anything that is going to happen at all takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a failure waits for a better explanation.
const BRIEFLY: Duration = Duration::from_millis(100);

/// Slack of the contract: 20 ms plus the timer's resolution.
const SLACK: Duration = Duration::from_millis(20);
const RESOLUTION: Duration = Duration::from_millis(1);

/// Waits for `future`, which is to end soon; fails with `what` when it does not.
#[track_caller]
pub(crate) fn within<F: Future>(
    what: impl Display,
    future: F,
) -> impl Future<Output = Verdict<F::Output>> {
    let late = Failure::broken(format_args!("{what} still waits after {PATIENCE:?}"));
    async move { timeout(PATIENCE, future).await.map_err(|_| late) }
}

/// Polls `future` once.
pub(crate) async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// What `future` gives at its first poll; fails with `what` when it waits.
#[track_caller]
pub(crate) fn at_once<F: Future>(
    what: impl Display,
    future: F,
) -> impl Future<Output = Verdict<F::Output>> {
    let waits = Failure::broken(format_args!("{what} waits, expected it at once"));
    async move {
        match poll_once(pin!(future)).await {
            Poll::Ready(value) => Ok(value),
            Poll::Pending => Err(waits),
        }
    }
}

/// Polls `future` up to `polls` times, lets other tasks run in between, and drops it: `None` when
/// it still waited.
pub(crate) async fn give_up<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for poll in 0..polls {
        if poll > 0 {
            yield_now().await;
        }
        if let Poll::Ready(value) = poll_once(future.as_mut()).await {
            return Some(value);
        }
    }
    None
}

/// Fails with `what` when `future` ends within `window`.
#[track_caller]
pub(crate) fn still_waits<F: Future + ?Sized>(
    what: impl Display,
    window: Duration,
    future: Pin<&mut F>,
) -> impl Future<Output = Verdict> {
    let ended = Failure::broken(format_args!("{what} ended, expected it to wait"));
    async move {
        match timeout(window, future).await {
            Ok(_) => Err(ended),
            Err(_) => Ok(()),
        }
    }
}

/// Waits for `future`, which is to end when `expected` has passed: never before, and at most the
/// slack after.
#[track_caller]
pub(crate) fn on_time<F: Future>(
    what: impl Display,
    expected: Duration,
    future: F,
) -> impl Future<Output = Verdict<F::Output>> {
    let what = format!("{what} (line {})", Location::caller().line());
    let ended = within(what.clone(), future);
    async move {
        let watch = Stopwatch::start();
        let value = ended.await?;
        expect_on_time(what, expected, watch.took())?;
        Ok(value)
    }
}

/// Fails when something took less than `expected`, or more by the slack.
#[track_caller]
pub(crate) fn expect_on_time(what: impl Display, expected: Duration, took: Took) -> Verdict {
    let seen = took.time;
    let text = format!("{what} took {seen:.1?}, expected {expected:?} and at most {SLACK:?} more");
    expect(seen + RESOLUTION >= expected, || &text)?;
    expect_no_later(what, expected, took)
}

/// Fails when something took more than `limit` by the slack, not counting what the machine's other
/// work is to blame for.
#[track_caller]
pub(crate) fn expect_no_later(what: impl Display, limit: Duration, took: Took) -> Verdict {
    let Took { time, starved } = took;
    match time <= limit + SLACK + RESOLUTION + starved {
        true => Ok(()),
        false => Err(Failure::late(format_args!(
            "{what} took {time:.1?} ({starved:.1?} of it without a core), expected at most {limit:?} \
             and {SLACK:?} more"
        ))),
    }
}

/// Waits until `holds`; fails with `what` when that does not come about.
#[track_caller]
pub(crate) fn eventually(
    what: impl Display,
    mut holds: impl FnMut() -> bool,
) -> impl Future<Output = Verdict> {
    let never = Failure::broken(format_args!("{what}: not after {PATIENCE:?}"));
    async move {
        let begin = Instant::now();
        while !holds() {
            if begin.elapsed() > PATIENCE {
                return Err(never);
            }
            sleep(RESOLUTION).await;
        }
        Ok(())
    }
}

/// Waits for both, in one task.
pub(crate) async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none() {
            first = ready(a.as_mut().poll(cx));
        }
        if second.is_none() {
            second = ready(b.as_mut().poll(cx));
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

fn ready<T>(poll: Poll<T>) -> Option<T> {
    match poll {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// A task beside the case, a peer mostly; stopped when this is dropped, so that a case that fails
/// leaves nothing running.
pub(crate) struct Task<T> {
    handle: JoinHandle<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts it.
    pub(crate) fn start(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { handle: tokio::spawn(future) }
    }

    /// True when it has ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits for its end; a panic in it is a failure.
    pub(crate) async fn join(mut self) -> Verdict<T> {
        (&mut self.handle)
            .await
            .map_err(|error| Failure::broken(format_args!("a task of the case: {error}")))
    }
}

impl<T: Send + 'static> Task<Verdict<T>> {
    /// What the task failed with; `failure` when it did not. The other side of a connection that
    /// breaks often knows better why.
    pub(crate) async fn or_else(self, failure: impl Into<Failure>) -> Failure {
        let failure = failure.into();
        match timeout(BRIEFLY, self.join()).await {
            Ok(Ok(Err(better)) | Err(better)) => better,
            Ok(Ok(Ok(_))) | Err(_) => failure,
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.handle.abort();
    }
}
