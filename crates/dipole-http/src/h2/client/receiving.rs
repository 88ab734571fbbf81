//! A response's body on its way in.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::ErrorKind;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::fault;
use crate::BodyError;
use crate::h1::client::Patience;

/// Reads the body from its stream as it is polled. Dropped before its end, it resets the stream.
pub(super) struct Receiving {
    /// `None` when all is over.
    incoming: Option<Incoming>,
    stream: Option<Arc<dyn Send + Sync>>,
    /// What `content-length` still promises, in bytes.
    promised: Option<u64>,
    patience: Patience,
}

impl Receiving {
    pub(super) fn new(
        incoming: Incoming,
        stream: Arc<dyn Send + Sync>,
        promised: Option<u64>,
        body_timeout: Option<Duration>,
    ) -> Self {
        let patience = Patience::new(body_timeout);
        Self { incoming: Some(incoming), stream: Some(stream), promised, patience }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(None)) };
        let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
            ready!(self.patience.poll_over(cx));
            return Poll::Ready(Err(BodyError::TimedOut));
        };
        self.patience.renew();
        let frame = frame.transpose().map_err(|error| fault::of_body(&error))?;
        // hyper takes a reset without an error (RFC 9113 section 8.1) for the end of a body, though
        // it is one only behind END_STREAM.
        if frame.is_none() && !incoming.is_end_stream() {
            return Poll::Ready(Err(BodyError::Connection(ErrorKind::Eof.into())));
        }
        if let Some(promised) = &mut self.promised {
            match frame.as_ref().map(Frame::data_ref) {
                Some(Some(data)) => *promised = promised.saturating_sub(data.len() as u64),
                // RFC 9113 8.1.1: a body of another length than it promised is malformed.
                _ if *promised > 0 => {
                    return Poll::Ready(Err(BodyError::Connection(ErrorKind::Eof.into())));
                }
                _ => {}
            }
        }
        Poll::Ready(Ok(frame))
    }
}

impl HttpBody for Receiving {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.poll_next(cx));
        if !matches!(next, Ok(Some(_))) {
            self.incoming = None;
            self.stream = None;
        }
        Poll::Ready(next.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.incoming.as_ref().map(Incoming::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}
