//! A response that is being made, under observation.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::observation::Observation;
use crate::{ErrorType, ObservedBody};

pin_project! {
    /// The future of an observed service's response.
    pub struct Observing<F> {
        #[pin]
        future: F,
        // `None` once the response's body has it.
        observation: Option<Observation>,
    }
}

impl<F> Observing<F> {
    pub(crate) fn new(future: F, observation: Observation) -> Self {
        Self { future, observation: Some(observation) }
    }
}

impl<F, B, E> Future for Observing<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: ErrorType,
{
    type Output = Result<Response<ObservedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let span = this.observation.as_ref().map(|observation| observation.span().clone());
        let entered = span.as_ref().map(tracing::Span::enter);
        let ended = ready!(this.future.poll(cx));
        drop(entered);
        let mut observation = this.observation.take();
        Poll::Ready(match ended {
            Ok(response) => {
                if let Some(observation) = &mut observation {
                    observation.responded(&response);
                }
                Ok(response.map(|body| ObservedBody::new(body, observation)))
            }
            Err(error) => {
                if let Some(observation) = &mut observation {
                    observation.failed(error.error_type());
                }
                Err(error)
            }
        })
    }
}
