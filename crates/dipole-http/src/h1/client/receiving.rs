//! A response's body on its way in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_net::Conn;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::lender::{After, Lender};
use super::patience::Patience;
use super::sending::{SendFault, Sending};
use super::{Keep, Limits};
use crate::BodyError;
use crate::h1::body_reader::{self, ReadFault};
use crate::h1::codec::framing::{BodyDecoder, ResponseFraming};

/// Reads the body from the connection, which it owns, as it is polled; what is left of the request
/// is sent meanwhile.
///
/// The end is given when both have ended. Dropped before that, the connection is closed.
pub(super) struct Receiving<K> {
    /// `None` when all is over.
    conn: Option<Box<dyn Conn>>,
    /// Who the connection is borrowed from; there as long as it is.
    lender: Option<Lender<K>>,
    decoder: BodyDecoder,
    /// The body has been given whole.
    is_read: bool,
    /// What is still sent of the request.
    sending: Option<Sending>,
    patience: Patience,
}

impl<K: Keep> Receiving<K> {
    pub(super) fn new(
        conn: Box<dyn Conn>,
        framing: ResponseFraming,
        sending: Option<Sending>,
        lender: Lender<K>,
        limits: &Limits,
    ) -> Self {
        Self {
            conn: Some(conn),
            lender: Some(lender),
            decoder: BodyDecoder::of_response(framing, &limits.head),
            is_read: false,
            sending,
            patience: Patience::new(limits.body_timeout),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let (Some(conn), Some(sending)) = (&mut self.conn, &mut self.sending) else {
            return Ok(());
        };
        let Poll::Ready(sent) = sending.poll(&mut **conn, cx) else { return Ok(()) };
        self.sending = None;
        match sent {
            Ok(()) => Ok(()),
            // The server takes no more; what it has to say is still read.
            Err(SendFault::Connection(_)) => {
                if let Some(lender) = &mut self.lender {
                    lender.after = After::Close;
                }
                Ok(())
            }
            Err(fault @ (SendFault::Body(_) | SendFault::Length)) => {
                // An orderly end could pass for the end of the request's body.
                conn.reset();
                Err(match fault {
                    SendFault::Body(error) => BodyError::of(error),
                    _ => BodyError::Cancelled,
                })
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        let Some(conn) = &mut self.conn else { return Poll::Ready(Ok(None)) };
        if self.is_read {
            return Poll::Ready(Ok(None));
        }
        let Poll::Ready(read) = body_reader::poll_frame(&mut self.decoder, &mut **conn, cx) else {
            ready!(self.patience.poll_over(cx));
            return Poll::Ready(Err(BodyError::TimedOut));
        };
        self.patience.renew();
        let frame = read.map_err(|fault| match fault {
            ReadFault::Connection(error) => BodyError::Connection(error),
            ReadFault::Rejected(reject) => BodyError::Malformed(reject.text()),
        })?;
        self.is_read =
            self.decoder.left() == Some(0) || frame.as_ref().is_none_or(Frame::is_trailers);
        Poll::Ready(Ok(frame))
    }

    /// The body has been read and the request has been sent: the connection is free.
    fn end(&mut self) {
        if let (Some(conn), Some(lender)) = (self.conn.take(), self.lender.take()) {
            lender.give_back(conn);
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        self.poll_send(cx)?;
        let frame = ready!(self.poll_read(cx))?;
        if self.is_read && self.sending.is_none() {
            self.end();
        }
        if frame.is_none() && self.sending.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(frame))
    }
}

impl<K: Keep> HttpBody for Receiving<K> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.poll_next(cx));
        if next.is_err() {
            self.conn = None;
            self.lender = None;
        }
        Poll::Ready(next.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.conn.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.conn.is_none() {
            return SizeHint::with_exact(0);
        }
        self.decoder.left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
