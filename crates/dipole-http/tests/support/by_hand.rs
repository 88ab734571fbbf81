//! A body that a test feeds piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::BodyError;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as HttpBody, Frame};
use tokio::sync::mpsc;

type Piece = Result<Frame<Bytes>, BodyError>;

/// A body without a known length, and what feeds it. Ends when the feed is dropped.
pub(crate) fn by_hand() -> (Feed, impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) {
    let (feed, fed) = mpsc::unbounded_channel();
    (Feed(feed), ByHand(fed))
}

#[derive(Clone)]
pub(crate) struct Feed(mpsc::UnboundedSender<Piece>);

impl Feed {
    pub(crate) fn data(&self, data: impl Into<Bytes>) {
        self.give(Ok(Frame::data(data.into())));
    }

    pub(crate) fn trailer(&self, name: &'static str, value: &'static str) {
        let field = (HeaderName::from_static(name), HeaderValue::from_static(value));
        self.give(Ok(Frame::trailers(HeaderMap::from_iter([field]))));
    }

    pub(crate) fn fail(&self) {
        self.give(Err(BodyError::Cancelled));
    }

    /// Ends when nobody reads the body any more.
    pub(crate) async fn dropped(&self) {
        self.0.closed().await;
    }

    fn give(&self, piece: Piece) {
        // A body that nobody reads any more has no use for it.
        let _ = self.0.send(piece);
    }
}

struct ByHand(mpsc::UnboundedReceiver<Piece>);

impl HttpBody for ByHand {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.0.poll_recv(cx)
    }
}
