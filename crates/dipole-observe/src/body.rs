//! A response's body under observation.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::observation::Observation;

pin_project! {
    /// The body of an observed response: the same bytes, and the request's end with its own.
    pub struct ObservedBody<B: Body> {
        #[pin]
        body: B,
        // `None` after the end.
        observation: Option<Observation>,
    }

    impl<B: Body> PinnedDrop for ObservedBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // Whoever knows a body's length, or that there is none, does not ask for its end.
            if this.body.is_end_stream() {
                complete(this.observation);
            }
        }
    }
}

impl<B: Body> ObservedBody<B> {
    pub(crate) fn new(body: B, mut observation: Option<Observation>) -> Self {
        if body.is_end_stream() {
            complete(&mut observation);
        }
        Self { body, observation }
    }
}

impl<B: Body> Body for ObservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let span = this.observation.as_ref().map(|observation| observation.span().clone());
        let entered = span.as_ref().map(tracing::Span::enter);
        let frame: Option<Result<Frame<_>, _>> = ready!(this.body.poll_frame(cx));
        drop(entered);
        match (&frame, &mut *this.observation) {
            (Some(Ok(frame)), Some(observation)) => {
                observation.passed(frame.data_ref().map_or(0, bytes_of));
            }
            (Some(Err(_)), Some(observation)) => {
                observation.failed("body".into());
                *this.observation = None;
            }
            (None, _) => complete(this.observation),
            (Some(_), None) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body + fmt::Debug> fmt::Debug for ObservedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObservedBody").field(&self.body).finish()
    }
}

fn bytes_of(data: &impl bytes::Buf) -> usize {
    data.remaining()
}

fn complete(observation: &mut Option<Observation>) {
    if let Some(mut observation) = observation.take() {
        observation.completed();
    }
}
