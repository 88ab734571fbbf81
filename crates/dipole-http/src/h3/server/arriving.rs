//! A request's body, read as its handler asks, so that flow control follows the handler.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use dipole_net::StreamConn;
use http_body::{Body as HttpBody, Frame as BodyFrame, SizeHint};

use super::calm::Calm;
use crate::BoxError;
use crate::h3::codec::code;
use crate::h3::reading::{Ends, ReadFault, Reading};

/// The body. Dropped before its end, it leaves the rest to whoever answers the request.
pub(super) struct Arriving {
    source: Source,
    conn: Arc<dyn StreamConn>,
    calm: Arc<Calm>,
    told: Arc<Told>,
    after: After,
}

/// What becomes of a body that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    /// It is left all the same: somebody waits for it.
    Left,
}

enum Source {
    Here(Reading),
    /// With whoever answers the request, until this is read.
    Left,
    /// It was taken by others, or this is dropped.
    Gone,
}

impl Arriving {
    pub(super) fn new(
        conn: Arc<dyn StreamConn>,
        reading: Reading,
        calm: Arc<Calm>,
        told: Arc<Told>,
    ) -> Self {
        Self { source: Source::Here(reading), conn, calm, told, after: After::Nothing }
    }

    /// One that whoever answers the request may take as long as nobody has read it.
    pub(super) fn left(
        conn: Arc<dyn StreamConn>,
        reading: Reading,
        calm: Arc<Calm>,
        told: Arc<Told>,
    ) -> Self {
        told.leave(reading);
        Self { source: Source::Left, conn, calm, told, after: After::Left }
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<BodyFrame<Bytes>>, BoxError>> {
        if let Source::Left = self.source {
            self.source = self.told.take_unread().map_or(Source::Gone, Source::Here);
        }
        let Source::Here(reading) = &mut self.source else { return Poll::Ready(Ok(None)) };
        let polled = reading.poll_body(cx);
        self.calm.count_frames(reading.take_passed());
        let Poll::Ready(read) = polled else {
            self.told.want();
            return Poll::Pending;
        };
        Poll::Ready(read.map_err(|fault| fail(&fault, reading, &*self.conn, &self.told)))
    }
}

/// Ends the request, or the connection.
fn fail(fault: &ReadFault, reading: &mut Reading, conn: &dyn StreamConn, told: &Told) -> BoxError {
    match fault.ends() {
        Ends::Connection(code) => conn.close_with_error(code, fault.text().as_bytes()),
        Ends::Message(code) => {
            reading.cancel(code);
            told.tell(code);
        }
        Ends::Nothing => {}
    }
    match fault {
        ReadFault::Network(error) => error.clone().into(),
        _ => fault.text().into(),
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame<Bytes>, BoxError>>> {
        self.poll_next(cx).map(Result::transpose)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Here(reading) => reading.is_over(),
            Source::Left => false,
            Source::Gone => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Here(reading) => {
                reading.left().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Source::Left => SizeHint::default(),
            Source::Gone => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Source::Here(reading) = std::mem::replace(&mut self.source, Source::Gone)
            && (!reading.is_over() || self.after == After::Left)
        {
            self.told.leave(reading);
        }
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
    Left(Reading),
    /// Nobody takes it any more.
    Unwanted,
}

/// Asks the client to send no more of a body, which is no fault (RFC 9114 section 4.1).
pub(super) fn stop(mut unread: Reading) {
    unread.cancel(code::NO_ERROR);
}

impl Told {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, code: u64) {
        let mut inner = self.lock();
        inner.code = Some(code);
        wake(inner);
    }

    /// The handler waits for the body.
    fn want(&self) {
        let mut inner = self.lock();
        if !std::mem::replace(&mut inner.wants_body, true) {
            wake(inner);
        }
    }

    fn leave(&self, unread: Reading) {
        let mut inner = self.lock();
        if let Rest::Unwanted = inner.unread {
            drop(inner);
            return stop(unread);
        }
        inner.unread = Rest::Left(unread);
        wake(inner);
    }

    /// What the handler has left of the body, once.
    pub(super) fn take_unread(&self) -> Option<Reading> {
        let mut inner = self.lock();
        match std::mem::take(&mut inner.unread) {
            Rest::Left(unread) => Some(unread),
            other => {
                inner.unread = other;
                None
            }
        }
    }

    /// As [`take_unread`](Self::take_unread); the task is woken when the handler leaves it.
    pub(super) fn poll_unread(&self, cx: &Context<'_>) -> Poll<Reading> {
        let unread = self.take_unread();
        if unread.is_none() {
            remember(&mut self.lock().waker, cx);
        }
        // It may have been left between the two.
        unread.or_else(|| self.take_unread()).map_or(Poll::Pending, Poll::Ready)
    }

    /// Nobody takes what is left of the body from now on.
    pub(super) fn end(&self) {
        let rest = std::mem::replace(&mut self.lock().unread, Rest::Unwanted);
        if let Rest::Left(unread) = rest {
            stop(unread);
        }
    }

    /// Ready with the code by which the request is broken off.
    pub(super) fn poll_broken(&self, cx: &Context<'_>) -> Poll<u64> {
        let mut inner = self.lock();
        if let Some(code) = inner.code {
            return Poll::Ready(code);
        }
        remember(&mut inner.waker, cx);
        Poll::Pending
    }

    /// True once the handler has waited for the body.
    pub(super) fn wants_body(&self) -> bool {
        self.lock().wants_body
    }
}

fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(known) => known.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}
