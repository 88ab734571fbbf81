//! hyper's requests to the service, and the service's answers to hyper.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;

use super::streams::{Pace, Streams};
use super::target;
use crate::server::{Answer, AnswerBody, Exchanges};
use crate::{BoxError, HttpService};

/// What hyper calls for each request.
pub(super) struct Requests<S> {
    exchanges: Exchanges<S>,
    streams: Streams<S>,
}

impl<S> Requests<S> {
    pub(super) fn new(exchanges: Exchanges<S>, streams: Streams<S>) -> Self {
        Self { exchanges, streams }
    }
}

impl<S: HttpService> Service<Request<Incoming>> for Requests<S> {
    type Response = Response<PacedBody<S::ResponseBody>>;
    type Error = h2::Error;
    type Future = PacedAnswer<S>;

    fn call(&self, request: Request<Incoming>) -> PacedAnswer<S> {
        let answer = target::is_sound(&request).then(|| self.exchanges.answer(request));
        PacedAnswer { answer, pace: self.streams.expect_stream() }
    }
}

/// An answer that tells how fast the client takes it.
pub(super) struct PacedAnswer<S: HttpService> {
    /// `None` where the request is malformed: its stream is reset (RFC 9113 section 8.1.1).
    answer: Option<Answer<S>>,
    pace: Arc<Pace>,
}

impl<S: HttpService> Future for PacedAnswer<S> {
    type Output = Result<Response<PacedBody<S::ResponseBody>>, h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(answer) = &mut self.answer else {
            return Poll::Ready(Err(h2::Reason::PROTOCOL_ERROR.into()));
        };
        let response = ready!(Pin::new(answer).poll(cx));
        let pace = Arc::clone(&self.pace);
        Poll::Ready(Ok(response.map(|body| PacedBody { body, rest: Bytes::new(), pace })))
    }
}

/// The most that is given to hyper at once: the data of one frame of the usual size.
const MOST_AT_ONCE: usize = 16 * 1024;

/// A response's body, in pieces that a slow client takes one by one.
pub(super) struct PacedBody<B> {
    body: AnswerBody<B>,
    /// What is still to be given of the body's last piece.
    rest: Bytes,
    pace: Arc<Pace>,
}

impl<B> HttpBody for PacedBody<B>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.pace.taken();
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let most = self.rest.len().min(MOST_AT_ONCE);
        let piece = self.rest.split_to(most);
        self.pace.given();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
