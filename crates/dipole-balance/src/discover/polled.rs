//! What has to be asked from time to time.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dipole_http::BoxError;
use dipole_net::{Addr, BoxFuture};
use futures_core::Stream;
use tokio::time::{Sleep, sleep};
use tower::discover::Change;

use super::Changes;

/// Somebody who knows the endpoints, and has to be asked.
pub trait Lookup: Send + Sync + 'static {
    /// Asks.
    fn look_up(&self) -> BoxFuture<'static, Result<Found, BoxError>>;
}

impl<L: Lookup + ?Sized> Lookup for std::sync::Arc<L>
where
    Self: Send + Sync + 'static,
{
    fn look_up(&self) -> BoxFuture<'static, Result<Found, BoxError>> {
        (**self).look_up()
    }
}

/// The endpoints of this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The endpoints.
    pub endpoints: Vec<Addr>,
    /// For how long they stand.
    pub valid_for: Duration,
}

/// When to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rhythm {
    /// At the soonest, whatever was said of how long it stands; also the first pause after a
    /// question that failed, which doubles each time. Default 1 s.
    pub soonest: Duration,
    /// At the latest. Default 30 s.
    pub latest: Duration,
    /// How long one question may take. Default 5 s.
    pub timeout: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            soonest: Duration::from_secs(1),
            latest: Duration::from_secs(30),
            timeout: Duration::from_secs(5),
        }
    }
}

/// Endpoints by asking a [`Lookup`]. When a question fails, what was known stands.
///
/// Nobody asks while no request waits for an endpoint; the first one afterwards goes by what was
/// known, and asks.
pub struct Polled<L> {
    lookup: L,
    rhythm: Rhythm,
    changes: Changes,
    state: State,
    /// Questions that failed since the last good one.
    failures: u32,
}

enum State {
    Idle,
    Asking(BoxFuture<'static, Result<Found, BoxError>>),
    Resting(Pin<Box<Sleep>>),
}

impl<L: Lookup> Polled<L> {
    /// By asking `lookup` in this rhythm.
    #[must_use]
    pub fn new(lookup: L, rhythm: Rhythm) -> Self {
        Self { lookup, rhythm, changes: Changes::default(), state: State::Idle, failures: 0 }
    }

    fn ask(&self) -> BoxFuture<'static, Result<Found, BoxError>> {
        let (asked, limit) = (self.lookup.look_up(), self.rhythm.timeout);
        Box::pin(async move {
            let answered = tokio::time::timeout(limit, asked).await;
            answered.unwrap_or_else(|late| Err(late.into()))
        })
    }

    /// Takes the answer in; gives how long it stands.
    fn take(&mut self, answer: Result<Found, BoxError>) -> Duration {
        let Rhythm { soonest, latest, .. } = self.rhythm;
        match answer {
            Ok(found) => {
                self.failures = 0;
                self.changes.set(found.endpoints);
                found.valid_for.min(latest).max(soonest)
            }
            Err(error) => {
                tracing::warn!(%error, "endpoints were not found; those that were known stand");
                let pause = soonest.saturating_mul(1 << self.failures.min(16));
                self.failures = self.failures.saturating_add(1);
                pause.min(latest)
            }
        }
    }
}

impl<L: Lookup + Unpin> Stream for Polled<L> {
    type Item = Result<Change<Addr, ()>, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(change) = this.changes.next() {
                return Poll::Ready(Some(Ok(change)));
            }
            match &mut this.state {
                State::Idle => this.state = State::Asking(this.ask()),
                State::Asking(asking) => {
                    let answer = ready!(asking.as_mut().poll(cx));
                    let pause = this.take(answer);
                    this.state = State::Resting(Box::pin(sleep(pause)));
                }
                State::Resting(rest) => {
                    ready!(rest.as_mut().poll(cx));
                    this.state = State::Idle;
                }
            }
        }
    }
}

impl<L> fmt::Debug for Polled<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rhythm, changes, .. } = self;
        f.debug_struct("Polled")
            .field("rhythm", rhythm)
            .field("changes", changes)
            .finish_non_exhaustive()
    }
}
