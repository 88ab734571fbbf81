//! The deadline of a whole request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::error::{ClientError, Deadline};
use crate::{Body, BodyError};

/// The response of `sent`, whose body, too, has to end within `limit` from now.
pub(super) async fn within(
    limit: Duration,
    sent: impl Future<Output = Result<Response<Body>, ClientError>>,
    host: Option<&str>,
) -> Result<Response<Body>, ClientError> {
    let deadline = Instant::now() + limit;
    let Ok(outcome) = tokio::time::timeout_at(deadline, sent).await else {
        return Err(ClientError::timed_out(Deadline::Request, host.unwrap_or("the server")));
    };
    outcome.map(|response| {
        response.map(|body| {
            if body.is_end_stream() { body } else { Body::new(Hurried::new(body, deadline)) }
        })
    })
}

/// A body that has to end by a deadline.
struct Hurried {
    /// `None` when its time is over.
    body: Option<Body>,
    timer: Pin<Box<Sleep>>,
}

impl Hurried {
    fn new(body: Body, deadline: Instant) -> Self {
        Self { body: Some(body), timer: Box::pin(tokio::time::sleep_until(deadline)) }
    }
}

impl HttpBody for Hurried {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        ready!(self.timer.as_mut().poll(cx));
        self.body = None;
        Poll::Ready(Some(Err(BodyError::RequestTimedOut)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
