//! When a request is over: with the last byte of its response.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::{Body, BodyError};
use http::Response;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower::load::completion::TrackCompletion;

/// Counts a request as under way until its response's body has ended or was dropped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UntilBodyEnds;

impl<H: Send + Unpin + 'static> TrackCompletion<H, Response<Body>> for UntilBodyEnds {
    type Output = Response<Body>;

    fn track_completion(&self, handle: H, response: Response<Body>) -> Response<Body> {
        // What is all there is over.
        if response.body().is_end_stream() {
            return response;
        }
        response.map(|body| Body::new(Tracked { body, handle: Some(handle) }))
    }
}

/// A body that holds something until its end.
struct Tracked<H> {
    body: Body,
    handle: Option<H>,
}

impl<H: Unpin> HttpBody for Tracked<H> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.handle = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
