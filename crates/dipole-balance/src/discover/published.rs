//! A list that somebody else changes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use dipole_net::Addr;
use futures_core::Stream;
use tower::discover::Change;

use super::Changes;

/// Endpoints as their publisher says, none at first.
#[must_use]
pub fn published() -> (Publisher, Published) {
    let shared = Arc::new(Mutex::new(Shared { newest: None, waker: None }));
    (Publisher(Arc::clone(&shared)), Published { shared, changes: Changes::default() })
}

#[derive(Debug)]
struct Shared {
    /// What was said and not taken note of yet.
    newest: Option<Vec<Addr>>,
    waker: Option<Waker>,
}

/// Says which endpoints there are. When it is dropped, the last word stands.
#[derive(Debug)]
pub struct Publisher(Arc<Mutex<Shared>>);

impl Publisher {
    /// From now on it is these. An endpoint that is named no longer gets no further request; what
    /// is under way there goes on.
    pub fn publish(&self, endpoints: impl IntoIterator<Item = Addr>) {
        let endpoints = endpoints.into_iter().collect();
        let mut shared = lock(&self.0);
        shared.newest = Some(endpoints);
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// See [`published`].
#[derive(Debug)]
pub struct Published {
    shared: Arc<Mutex<Shared>>,
    changes: Changes,
}

impl Stream for Published {
    type Item = Result<Change<Addr, ()>, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let mut shared = lock(&this.shared);
        if let Some(newest) = shared.newest.take() {
            this.changes.set(newest);
        }
        match this.changes.next() {
            Some(change) => Poll::Ready(Some(Ok(change))),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
