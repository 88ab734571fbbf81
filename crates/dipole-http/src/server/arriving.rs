//! A request's body that another codec brings, held to the server's limits.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::Deadline;
use crate::{BodyError, BoxError, ServerConfig};

/// A body that is read from its protocol as its reader asks, so that flow control follows the
/// reader.
pub(super) struct Arriving<B> {
    body: Pin<Box<B>>,
    /// How much may still come, and the limit.
    left: Option<(u64, u64)>,
    timeout: Option<Duration>,
    timer: Deadline,
    is_waiting: bool,
    is_over: bool,
    fault: Arc<Fault>,
}

impl<B> Arriving<B> {
    pub(super) fn new(body: B, config: &ServerConfig, fault: Arc<Fault>) -> Self {
        Self {
            body: Box::pin(body),
            left: config.max_body_bytes.map(|limit| (limit, limit)),
            timeout: config.body_timeout,
            timer: Deadline::default(),
            is_waiting: false,
            is_over: false,
            fault,
        }
    }

    fn fail<T>(&mut self, error: BodyError) -> Poll<Option<Result<T, BodyError>>> {
        self.is_over = true;
        self.fault.set(error.clone());
        Poll::Ready(Some(Err(error)))
    }
}

impl<B> HttpBody for Arriving<B>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
            if !this.is_waiting {
                this.is_waiting = true;
                this.timer.set(this.timeout.map(|timeout| Instant::now() + timeout));
            }
            // The reader may be another task each time.
            return match this.timer.poll_passed_for(cx) {
                Poll::Ready(()) => this.fail(BodyError::TimedOut),
                Poll::Pending => Poll::Pending,
            };
        };
        this.is_waiting = false;
        match frame {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                if let (Some((left, limit)), Some(data)) = (&mut this.left, frame.data_ref()) {
                    match left.checked_sub(data.len() as u64) {
                        Some(rest) => *left = rest,
                        None => {
                            let limit = *limit;
                            return this.fail(BodyError::TooLarge { limit });
                        }
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                tracing::debug!(error = %error.into(), "a request's body was cut short");
                this.fail(BodyError::Cancelled)
            }
            None => {
                this.is_over = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// The body is on the heap, and nothing else here is pinned.
impl<B> Unpin for Arriving<B> {}

/// What a request's body did wrong, told to whoever answers the request.
#[derive(Default)]
pub(super) struct Fault {
    state: Mutex<(Option<BodyError>, Option<Waker>)>,
}

impl Fault {
    fn lock(&self) -> MutexGuard<'_, (Option<BodyError>, Option<Waker>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, error: BodyError) {
        let mut state = self.lock();
        state.0.get_or_insert(error);
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The fault; else the task is woken when there is one.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Option<BodyError> {
        let mut state = self.lock();
        if state.0.is_none() {
            match &mut state.1 {
                Some(known) => known.clone_from(cx.waker()),
                waker => *waker = Some(cx.waker().clone()),
            }
        }
        state.0.clone()
    }
}
