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

/// The body. Dropped before its end, it leaves the rest to whoever answers the request.
pub(super) struct Arriving {
    /// `None` only while it is dropped.
    reading: Option<Reading>,
}

struct Reading {
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
        let (state, left) = (State::Body, content_length);
        Self { reading: Some(Reading { conn, incoming, state, left, longest_section, told }) }
    }
}

impl Reading {
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

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        loop {
            if self.state == State::Over {
                return Poll::Ready(None);
            }
            match self.incoming.reader.next(&mut self.incoming.held) {
                Err(fault) => return self.fail(fault.into()),
                Ok(Some(Frame::Data(data))) if self.state == State::Body => {
                    if let Err(fault) = self.count(&data) {
                        return self.fail(fault);
                    }
                    return Poll::Ready(Some(Ok(BodyFrame::data(data))));
                }
                Ok(Some(Frame::Other { kind: frames::HEADERS, payload }))
                    if self.state == State::Body =>
                {
                    self.state = State::Trailed;
                    return match trailers(&payload, self.longest_section) {
                        Ok(trailers) => Poll::Ready(Some(Ok(BodyFrame::trailers(trailers)))),
                        Err(fault) => self.fail(fault.into()),
                    };
                }
                Ok(Some(_)) => {
                    let text = "a frame that has no place in a request";
                    return self.fail(Fault::OfConnection(code::FRAME_UNEXPECTED, text));
                }
                Ok(None) => {}
            }
            let Poll::Ready(read) = self.incoming.receive.poll_read(cx) else {
                self.told.want();
                return Poll::Pending;
            };
            match read {
                Ok(Some(bytes)) => self.incoming.held = bytes,
                Ok(None) => {
                    if let Err(fault) = self.end() {
                        return self.fail(fault);
                    }
                    self.state = State::Over;
                }
                Err(error) => {
                    self.state = State::Over;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
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
        match &mut self.reading {
            Some(reading) => reading.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.reading.as_ref().is_none_or(|reading| reading.state == State::Over)
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.reading.as_ref().and_then(|reading| reading.left);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.take()
            && reading.state != State::Over
        {
            let Reading { incoming, left, told, .. } = reading;
            told.leave(Unread { receive: incoming.receive, left });
        }
    }
}

/// What a handler has left of a body.
pub(super) struct Unread {
    pub(super) receive: BoxReceive,
    /// What `content-length` leaves.
    pub(super) left: Option<u64>,
}

impl Unread {
    /// Asks the client to send no more of it, which is no fault (RFC 9114 section 4.1).
    pub(super) fn stop(mut self) {
        self.receive.cancel_read(code::NO_ERROR);
    }
}

/// What a body tells whoever answers its request.
#[derive(Default)]
pub(super) struct Told {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The request is broken off with this code.
    code: Option<u64>,
    wants_body: bool,
    unread: Rest,
    waker: Option<Waker>,
}

/// Where the rest of a body is.
#[derive(Default)]
enum Rest {
    /// The handler reads it, or has read all.
    #[default]
    Held,
    Left(Unread),
    /// Nobody takes it any more.
    Unwanted,
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

    fn leave(&self, unread: Unread) {
        let mut inner = self.lock();
        if let Rest::Unwanted = inner.unread {
            drop(inner);
            return unread.stop();
        }
        inner.unread = Rest::Left(unread);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What the handler has left of the body, once.
    pub(super) fn take_unread(&self) -> Option<Unread> {
        let mut inner = self.lock();
        match std::mem::take(&mut inner.unread) {
            Rest::Left(unread) => Some(unread),
            other => {
                inner.unread = other;
                None
            }
        }
    }

    /// Nobody takes what is left of the body from now on.
    pub(super) fn end(&self) {
        let rest = std::mem::replace(&mut self.lock().unread, Rest::Unwanted);
        if let Rest::Left(unread) = rest {
            unread.stop();
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
