//! A response's body on its way in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::fault;
use super::link::Reserved;
use super::upload::{Sent, Upload};
use crate::BodyError;
use crate::h1::client::{Limits, Patience};
use crate::h3::reading::Reading;

/// How long the rest of a request may take once its response has been read to the end, where there
/// is no deadline for a body: then the request is broken off, and the response stays whole.
const MOST_LAG: Duration = Duration::from_secs(30);

/// Reads the body from its stream as it is polled; what is left of the request is sent meanwhile.
///
/// The end is given when both have ended. Dropped before that, both are broken off
/// (`H3_REQUEST_CANCELLED`).
pub(super) struct Receiving {
    /// `None` when all is over.
    open: Option<Open>,
    patience: Patience,
    lag: Patience,
}

struct Open {
    reading: Reading,
    /// `None` when the request has been sent.
    upload: Option<Upload>,
    reserved: Reserved,
}

impl Receiving {
    pub(super) fn new(
        reading: Reading,
        upload: Upload,
        reserved: Reserved,
        limits: &Limits,
    ) -> Self {
        Self {
            open: Some(Open { reading, upload: Some(upload), reserved }),
            patience: Patience::new(limits.body_timeout),
            lag: Patience::new(Some(limits.body_timeout.unwrap_or(MOST_LAG))),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        let Some(Open { reading, upload, reserved }) = &mut self.open else {
            return Poll::Ready(Ok(None));
        };
        if let Some(sending) = upload
            && let Poll::Ready(sent) = sending.poll(cx)
        {
            *upload = None;
            match sent {
                // The server takes no more; what it has to say is still read.
                Some(Sent::Whole | Sent::NotWanted(_) | Sent::TimedOut) | None => {}
                Some(Sent::Body(_) | Sent::Length) => {
                    return Poll::Ready(Err(BodyError::Cancelled));
                }
            }
        }
        let Poll::Ready(read) = reading.poll_body(cx) else {
            ready!(self.patience.poll_over(cx));
            return Poll::Ready(Err(BodyError::TimedOut));
        };
        self.patience.renew();
        let frame = match read {
            Ok(frame) => frame,
            Err(fault) => {
                let conn = &**reserved.link().conn();
                return Poll::Ready(Err(fault::of_body(fault, reading, conn)));
            }
        };
        if frame.is_none()
            && let Some(upload) = upload
        {
            ready!(self.lag.poll_over(cx));
            upload.give_up();
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
            self.open = None;
        }
        Poll::Ready(next.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.open.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let Some(open) = &self.open else { return SizeHint::with_exact(0) };
        open.reading.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
