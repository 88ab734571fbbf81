//! What becomes of a stream that was ended in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use s2n_quic::stream::{Error as StreamError, SendStream as Inner};
use tokio::runtime::Handle;

/// A stream that was ended, for as long as its owner keeps it.
///
/// s2n-quic counts a stream as open until somebody has seen that the peer has all of it, or the
/// stream is dropped (S6). Most are dropped at once, and cost nothing more. One that is kept is
/// looked at when s2n-quic wakes for it: by a task, since s2n-quic holds its own lock then.
pub(crate) struct Ending {
    state: Mutex<State>,
}

enum State {
    /// The peer may not have all of it yet.
    Open {
        inner: Inner,
        asking: Option<Waker>,
    },
    Known(Result<(), StreamError>),
    /// Nobody keeps it any more.
    Left,
}

impl Ending {
    /// Ends a stream in order, and takes it out of its place.
    ///
    /// # Errors
    /// It has ended otherwise, and stays where it is.
    pub(crate) fn begin(place: &mut Option<Inner>) -> Result<Arc<Self>, StreamError> {
        let ending = Arc::new(Self { state: Mutex::new(State::Left) });
        let waker = Waker::from(Arc::clone(&ending));
        // Held: whoever is woken by now waits until the stream is there.
        let mut state = ending.state();
        if let Some(inner) = place {
            match inner.poll_close(&mut Context::from_waker(&waker)) {
                Poll::Pending => {}
                Poll::Ready(ended) => {
                    ended?;
                    *state = State::Known(Ok(()));
                }
            }
        }
        if let (State::Left, Some(inner)) = (&*state, place.take()) {
            *state = State::Open { inner, asking: None };
        }
        drop(state);
        Ok(ending)
    }

    /// Ready when the peer has all of the stream, or it has ended otherwise.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), StreamError>> {
        match &mut *self.state() {
            State::Open { asking, .. } => {
                *asking = Some(cx.waker().clone());
                Poll::Pending
            }
            State::Known(ended) => Poll::Ready(*ended),
            State::Left => Poll::Ready(Ok(())),
        }
    }

    /// Nobody keeps the stream any more: s2n-quic sees to its end alone.
    pub(crate) fn leave(&self) {
        let left = std::mem::replace(&mut *self.state(), State::Left);
        // Not under the lock: s2n-quic takes its own.
        drop(left);
    }

    /// Sees whether the peer has all of it.
    fn look(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut state = self.state();
        let State::Open { inner, .. } = &mut *state else { return };
        let Poll::Ready(ended) = inner.poll_close(&mut Context::from_waker(&waker)) else { return };
        let seen = std::mem::replace(&mut *state, State::Known(ended));
        drop(state);
        if let State::Open { asking: Some(asking), .. } = seen {
            asking.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Ending {
    fn wake(self: Arc<Self>) {
        // Streams are woken by their endpoint, which is a task. Without a lock: see above.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { self.look() });
        }
    }
}
