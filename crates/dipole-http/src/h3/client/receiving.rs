//! A response's body on its way in.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::RequestStream;
use h3::error::{Code, StreamError};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::fault;
use super::link::Reserved;
use super::upload::{Sent, Upload};
use crate::BodyError;
use crate::h1::client::{Limits, Patience};
use crate::h3::quic::QuicReceive;

/// How long the rest of a request may take once its response has been read to the end, where there
/// is no deadline for a body: then the request is broken off, and the response stays whole.
const MOST_LAG: Duration = Duration::from_secs(30);

/// The receiving half of a request.
pub(super) type ReceiveHalf = RequestStream<QuicReceive, Bytes>;

/// What was there already of a body when its response's head had come.
pub(super) enum Ahead {
    Nothing,
    Data(Bytes),
    /// All of the data; trailers may come.
    AllData,
    Trailers(HeaderMap),
    End,
    Error(StreamError),
}

/// Reads the body from its stream as it is polled; what is left of the request is sent meanwhile.
///
/// The end is given when both have ended. Dropped before that, both are broken off
/// (`H3_REQUEST_CANCELLED`).
pub(super) struct Receiving {
    /// `None` when all is over.
    open: Option<Open>,
    state: State,
    /// What `content-length` still promises, in bytes.
    promised: Option<u64>,
    patience: Patience,
    lag: Patience,
}

struct Open {
    half: ReceiveHalf,
    /// `None` when the request has been sent.
    upload: Option<Upload>,
    reserved: Reserved,
}

enum State {
    Data,
    Trailers,
    End,
    /// What is to be given before.
    Ahead(Ahead),
}

impl Receiving {
    pub(super) fn new(
        half: ReceiveHalf,
        ahead: Ahead,
        upload: Upload,
        reserved: Reserved,
        promised: Option<u64>,
        limits: &Limits,
    ) -> Self {
        Self {
            open: Some(Open { half, upload: Some(upload), reserved }),
            state: State::Ahead(ahead),
            promised,
            patience: Patience::new(limits.body_timeout),
            lag: Patience::new(Some(limits.body_timeout.unwrap_or(MOST_LAG))),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        let Some(open) = &mut self.open else { return Poll::Ready(Ok(None)) };
        if let Some(upload) = &mut open.upload
            && let Poll::Ready(sent) = upload.poll(cx)
        {
            open.upload = None;
            match sent {
                // The server takes no more; what it has to say is still read.
                Some(Sent::Whole | Sent::NotWanted | Sent::TimedOut) | None => {}
                Some(Sent::Body(_) | Sent::Length) => {
                    return Poll::Ready(Err(BodyError::Cancelled));
                }
            }
        }
        let Poll::Ready(frame) = self.poll_read(cx)? else {
            ready!(self.patience.poll_over(cx));
            return Poll::Ready(Err(BodyError::TimedOut));
        };
        self.patience.renew();
        if frame.is_none()
            && let Some(Open { upload: Some(upload), .. }) = &mut self.open
        {
            ready!(self.lag.poll_over(cx));
            upload.give_up();
        }
        Poll::Ready(Ok(frame))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<Poll<Option<Frame<Bytes>>>, BodyError> {
        let Some(Open { half, reserved, .. }) = &mut self.open else {
            return Ok(Poll::Ready(None));
        };
        loop {
            let link = reserved.link();
            match std::mem::replace(&mut self.state, State::Data) {
                State::Ahead(Ahead::Nothing) => {}
                State::Ahead(Ahead::AllData) => self.state = State::Trailers,
                State::Ahead(Ahead::End) => {
                    self.state = State::End;
                    kept(self.promised)?;
                }
                State::Ahead(Ahead::Trailers(trailers)) => {
                    self.state = State::End;
                    kept(self.promised)?;
                    return Ok(Poll::Ready(Some(Frame::trailers(trailers))));
                }
                State::Ahead(Ahead::Error(error)) => return Err(fault::of_body(&error, link)),
                State::Ahead(Ahead::Data(data)) => {
                    take(&mut self.promised, &data, half)?;
                    return Ok(Poll::Ready(Some(Frame::data(data))));
                }
                State::Data => match half.poll_recv_data(cx) {
                    Poll::Pending => return Ok(Poll::Pending),
                    Poll::Ready(Err(error)) => return Err(fault::of_body(&error, link)),
                    Poll::Ready(Ok(None)) => self.state = State::Trailers,
                    Poll::Ready(Ok(Some(mut data))) => {
                        let data = data.copy_to_bytes(data.remaining());
                        take(&mut self.promised, &data, half)?;
                        return Ok(Poll::Ready(Some(Frame::data(data))));
                    }
                },
                State::Trailers => match half.poll_recv_trailers(cx) {
                    Poll::Pending => {
                        self.state = State::Trailers;
                        return Ok(Poll::Pending);
                    }
                    Poll::Ready(Err(error)) => return Err(fault::of_body(&error, link)),
                    Poll::Ready(Ok(trailers)) => {
                        let end = trailers.map_or(Ahead::End, Ahead::Trailers);
                        self.state = State::Ahead(end);
                    }
                },
                State::End => {
                    self.state = State::End;
                    return Ok(Poll::Ready(None));
                }
            }
        }
    }
}

/// Counts `data` against what was promised (RFC 9114 section 4.1.2).
fn take(promised: &mut Option<u64>, data: &Bytes, half: &mut ReceiveHalf) -> Result<(), BodyError> {
    let Some(left) = promised else { return Ok(()) };
    match left.checked_sub(data.len() as u64) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => {
            half.stop_sending(Code::H3_MESSAGE_ERROR);
            Err(BodyError::Malformed("it is longer than its content-length"))
        }
    }
}

/// The data has ended: it has to be as long as was promised.
fn kept(promised: Option<u64>) -> Result<(), BodyError> {
    match promised.unwrap_or(0) {
        0 => Ok(()),
        _ => Err(BodyError::Connection(dipole_net::ErrorKind::Eof.into())),
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
        match (&self.open, self.promised) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(promised)) => SizeHint::with_exact(promised),
            (Some(_), None) => SizeHint::default(),
        }
    }
}
