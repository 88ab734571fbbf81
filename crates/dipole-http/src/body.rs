//! The body of a request or a response.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::BoxError;
use crate::upload::UploadBody;

/// A body: nothing, bytes that are all there, or a stream.
///
/// A streamed body is read from the connection as it is polled. What is held ahead of its reader is
/// bounded: one piece, and on a server what comes while it looks for the client's leaving, up to
/// `max_head_bytes`. Dropping it before its end is fine: the connection then reads and throws away
/// the rest, within limits, or closes.
pub struct Body {
    kind: Kind,
}

/// Two kinds and not more: they fit into the size of the larger one, and a request that moves is
/// then a quarter of a kilobyte, up to where copies are cheap.
enum Kind {
    /// All there; none of it when the last of it was taken.
    Held(Bytes),
    Streamed(Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError> + Send>>),
}

impl Body {
    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self { kind: Kind::Held(Bytes::new()) }
    }

    /// A body that is all there.
    #[must_use]
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Held(data.into()) }
    }

    /// Any other body.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self { kind: Kind::Streamed(Box::pin(body)) }
    }

    /// A body of somebody else's, whose errors become [`BodyError::Other`].
    ///
    /// A [`Body`] stays what it is.
    pub fn wrap<B>(body: B) -> Self
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        // Where layers are generic over bodies this is most often one of ours, and what it holds
        // would not be seen any more inside of another.
        let mut body = Some(body);
        if let Some(own) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or_default();
        }
        body.map_or_else(Self::empty, |body| Self::new(Wrapped { body: Box::pin(body) }))
    }

    /// What it holds, if it is all there: such a body can be sent again.
    #[must_use]
    pub fn held(&self) -> Option<Bytes> {
        match &self.kind {
            Kind::Held(data) => Some(data.clone()),
            Kind::Streamed(_) => None,
        }
    }

    /// All of it at once, of at most `limit` bytes; trailers are left out.
    ///
    /// # Errors
    /// `TooLarge` beyond the limit, and the body's own.
    pub async fn into_bytes(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = BodyError::TooLarge { limit: limit as u64 };
        let mut whole = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
            let Ok(data) = frame?.into_data() else { continue };
            if data.len() > limit - whole.len() {
                return Err(too_large);
            }
            if whole.is_empty() && self.is_end_stream() {
                return Ok(data);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    pub(crate) fn upload(upload: UploadBody) -> Self {
        Self::new(upload)
    }
}

impl Default for Body {
    /// No body.
    fn default() -> Self {
        Self::empty()
    }
}

/// Somebody else's body.
struct Wrapped<B> {
    body: Pin<Box<B>>,
}

impl<B> HttpBody for Wrapped<B>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.body.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(BodyError::of(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl From<Bytes> for Body {
    fn from(data: Bytes) -> Self {
        Self::full(data)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl From<Vec<u8>> for Body {
    fn from(data: Vec<u8>) -> Self {
        Self::full(data)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Held(data) if data.is_empty() => Poll::Ready(None),
            Kind::Held(data) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            Kind::Streamed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Held(data) => data.is_empty(),
            Kind::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Held(data) => SizeHint::with_exact(data.len() as u64),
            Kind::Streamed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Held(data) if data.is_empty() => f.write_str("Body::Empty"),
            Kind::Held(data) => write!(f, "Body::Full({} bytes)", data.len()),
            Kind::Streamed(_) => f.write_str("Body::Stream"),
        }
    }
}

/// Why a body ended before its end.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection failed, or ended in the middle of the body.
    Connection(dipole_net::Error),
    /// The next piece did not come in time.
    TimedOut,
    /// The time for the whole request was over.
    RequestTimedOut,
    /// The body is larger than allowed.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The peer broke the rules of the body's framing; says which.
    Malformed(&'static str),
    /// The other end of the exchange is gone: its connection was closed, or its handler dropped.
    Cancelled,
    /// Whatever made the body failed: a layer that decodes it, say, or a file that cannot be read on.
    Other(Arc<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// What a body of somebody else's failed with. A `BodyError` stays what it is.
    #[must_use]
    pub fn of(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(error) => Self::Other(error.into()),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "the body was cut short: {error}"),
            Self::TimedOut => f.write_str("the next piece of the body did not come in time"),
            Self::RequestTimedOut => f.write_str("the time for the whole request was over"),
            Self::TooLarge { limit } => write!(f, "the body is larger than {limit} bytes"),
            Self::Malformed(what) => write!(f, "the body is malformed: {what}"),
            Self::Cancelled => f.write_str("the exchange that the body belongs to has ended"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// See ARCHITECTURE.md, "Speed".
    #[test]
    fn a_request_is_no_larger_than_what_is_moved_cheaply() {
        assert_eq!(size_of::<http::Request<Body>>(), 256);
    }
}
