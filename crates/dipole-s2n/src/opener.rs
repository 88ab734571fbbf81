//! Streams of one kind that this end opens.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use dipole_io::Turnstile;
use s2n_quic::connection::{Error as ConnectionError, Handle};

/// A stream out of s2n-quic, once the peer's limit allows one.
pub(crate) type Open<T> = fn(&mut Handle, &mut Context<'_>) -> Poll<Result<T, ConnectionError>>;

/// s2n-quic wakes as many of its waiters as there is credit, also those that have given up. So all
/// that wait here share one place in its queue, by one handle, and queue among themselves.
pub(crate) struct Opener {
    handle: Mutex<Handle>,
    turnstile: Turnstile,
}

impl Opener {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle: Mutex::new(handle), turnstile: Turnstile::default() }
    }

    /// What is there without waiting, and without pushing in front of those that wait. `made` is
    /// called before any other stream of this kind can be opened.
    pub(crate) fn now<T, S>(
        &self,
        open: Open<T>,
        made: impl Fn(T) -> S,
    ) -> Option<Result<S, ConnectionError>> {
        self.turnstile.at_once(poll_fn(|cx| self.poll(cx, open, &made)))
    }

    /// Waits for the peer's credit, first come first served (S4).
    pub(crate) async fn wait<T, S>(
        &self,
        open: Open<T>,
        made: impl Fn(T) -> S,
    ) -> Result<S, ConnectionError> {
        match self.now(open, &made) {
            Some(opened) => opened,
            None => self.turnstile.pass(poll_fn(|cx| self.poll(cx, open, &made))).await,
        }
    }

    fn poll<T, S>(
        &self,
        cx: &mut Context<'_>,
        open: Open<T>,
        made: &impl Fn(T) -> S,
    ) -> Poll<Result<S, ConnectionError>> {
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        open(&mut handle, cx).map_ok(made)
    }
}
