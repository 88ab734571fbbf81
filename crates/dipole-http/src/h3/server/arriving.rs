//! A request's body, read as its handler asks, so that flow control follows the handler.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use dipole_net::{BoxReceive, StreamConn};
use http_body::{Body as HttpBody, Frame as BodyFrame, SizeHint};

use crate::BoxError;
use crate::h3::codec::fields::{self, SectionFault};
use crate::h3::codec::frames::{self, Frame, FrameFault, FrameReader};
use crate::h3::codec::{code, request};

/// What is there of a request behind its head.
pub(super) struct Incoming {
    pub(super) receive: BoxReceive,
    pub(super) reader: FrameReader,
    pub(super) held: Bytes,
}

/// The body. Dropped before its end, it tells the client to send no more of it, which is no fault
/// (RFC 9114 section 4.1).
pub(super) struct Arriving {
    conn: Arc<dyn StreamConn>,
    incoming: Incoming,
    state: State,
    /// What `content-length` leaves.
    left: Option<u64>,
    longest_section: usize,
    told: Arc<Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Body,
    /// The trailers are read.
    Trailed,
    Over,
}

impl Arriving {
    pub(super) fn new(
        conn: Arc<dyn StreamConn>,
        incoming: Incoming,
        content_length: Option<u64>,
        longest_section: usize,
        told: Arc<Told>,
    ) -> Self {
        let state = State::Body;
        Self { conn, incoming, state, left: content_length, longest_section, told }
    }

    /// Ends the request, or the connection.
    fn fail<T>(&mut self, fault: Fault) -> Poll<Option<Result<T, BoxError>>> {
        self.state = State::Over;
        let text = match fault {
            Fault::OfConnection(code, text) => {
                self.conn.close_with_error(code, text.as_bytes());
                text
            }
            Fault::OfRequest(code, text) => {
                self.incoming.receive.cancel_read(code);
                self.told.tell(code);
                text
            }
        };
        Poll::Ready(Some(Err(text.into())))
    }

    /// A piece of the body, counted against what `content-length` says.
    fn count(&mut self, data: &Bytes) -> Result<(), Fault> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(data.len() as u64).ok_or(LONGER)?;
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Fault> {
        self.incoming.reader.end()?;
        match self.left {
            None | Some(0) => Ok(()),
            Some(_) => Err(SHORTER),
        }
    }
}

/// What a client does wrong in a body.
enum Fault {
    OfConnection(u64, &'static str),
    OfRequest(u64, &'static str),
}

/// RFC 9114 4.1.2: the length is that of the data.
const LONGER: Fault = Fault::OfRequest(code::MESSAGE_ERROR, "the body is longer than it said");
const SHORTER: Fault = Fault::OfRequest(code::MESSAGE_ERROR, "the body is shorter than it said");

impl From<FrameFault> for Fault {
    fn from(fault: FrameFault) -> Self {
        Self::OfConnection(fault.code(), fault.text())
    }
}

impl From<SectionFault> for Fault {
    fn from(fault: SectionFault) -> Self {
        match fault {
            SectionFault::Undecodable => {
                Self::OfConnection(code::DECOMPRESSION_FAILED, "trailers cannot be decoded")
            }
            SectionFault::Malformed | SectionFault::UnknownProtocol => {
                Self::OfRequest(code::MESSAGE_ERROR, "the trailers are malformed")
            }
            SectionFault::TooLarge => {
                Self::OfRequest(code::EXCESSIVE_LOAD, "the trailers are too large")
            }
        }
    }
}

/// RFC 9114 4.3: trailers have no pseudo fields.
fn trailers(payload: &[u8], limit: usize) -> Result<http::HeaderMap, SectionFault> {
    let section = fields::decode(payload, limit)?;
    let pseudo = &section.pseudo;
    let has_pseudo = [
        &pseudo.method,
        &pseudo.scheme,
        &pseudo.authority,
        &pseudo.path,
        &pseudo.protocol,
        &pseudo.status,
    ]
    .into_iter()
    .any(Option::is_some);
    if has_pseudo {
        return Err(SectionFault::Malformed);
    }
    request::check_fields(&section.fields)?;
    Ok(section.fields)
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if this.state == State::Over {
                return Poll::Ready(None);
            }
            match this.incoming.reader.next(&mut this.incoming.held) {
                Err(fault) => return this.fail(fault.into()),
                Ok(Some(Frame::Data(data))) if this.state == State::Body => {
                    if let Err(fault) = this.count(&data) {
                        return this.fail(fault);
                    }
                    return Poll::Ready(Some(Ok(BodyFrame::data(data))));
                }
                Ok(Some(Frame::Other { kind: frames::HEADERS, payload }))
                    if this.state == State::Body =>
                {
                    this.state = State::Trailed;
                    return match trailers(&payload, this.longest_section) {
                        Ok(trailers) => Poll::Ready(Some(Ok(BodyFrame::trailers(trailers)))),
                        Err(fault) => this.fail(fault.into()),
                    };
                }
                Ok(Some(_)) => {
                    let text = "a frame that has no place in a request";
                    return this.fail(Fault::OfConnection(code::FRAME_UNEXPECTED, text));
                }
                Ok(None) => {}
            }
            let Poll::Ready(read) = this.incoming.receive.poll_read(cx) else {
                this.told.want();
                return Poll::Pending;
            };
            match read {
                Ok(Some(bytes)) => this.incoming.held = bytes,
                Ok(None) => {
                    if let Err(fault) = this.end() {
                        return this.fail(fault);
                    }
                    this.state = State::Over;
                }
                Err(error) => {
                    this.state = State::Over;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Over
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.state != State::Over {
            self.incoming.receive.cancel_read(code::NO_ERROR);
        }
    }
}

/// What a body tells whoever answers its request.
#[derive(Debug, Default)]
pub(super) struct Told {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The request is broken off with this code.
    code: Option<u64>,
    wants_body: bool,
    waker: Option<Waker>,
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, code: u64) {
        let mut inner = self.lock();
        inner.code = Some(code);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The handler waits for the body.
    fn want(&self) {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.wants_body, true) {
            return;
        }
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready with the code by which the request is broken off.
    pub(super) fn poll_broken(&self, cx: &Context<'_>) -> Poll<u64> {
        let mut inner = self.lock();
        if let Some(code) = inner.code {
            return Poll::Ready(code);
        }
        match &mut inner.waker {
            Some(known) => known.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// True once the handler has waited for the body.
    pub(super) fn wants_body(&self) -> bool {
        self.lock().wants_body
    }
}

/// Reads up to the next whole frame.
pub(super) fn poll_frame(
    incoming: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Frame>, Unreadable>> {
    loop {
        if let Some(frame) = incoming.reader.next(&mut incoming.held)? {
            return Poll::Ready(Ok(Some(frame)));
        }
        match ready!(incoming.receive.poll_read(cx)) {
            Ok(Some(bytes)) => incoming.held = bytes,
            Ok(None) => {
                incoming.reader.end()?;
                return Poll::Ready(Ok(None));
            }
            Err(_) => return Poll::Ready(Err(Unreadable::Gone)),
        }
    }
}

/// Why a request's head cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The client has broken it off, or the connection has ended.
    Gone,
    Fault(FrameFault),
}

impl From<FrameFault> for Unreadable {
    fn from(fault: FrameFault) -> Self {
        Self::Fault(fault)
    }
}
