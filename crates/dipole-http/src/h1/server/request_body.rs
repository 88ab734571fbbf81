//! A request's body, from the connection to the handler.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_net::{ConnExt, Error};
use http_body::Frame;
use tokio::time::Instant;

use super::connection::Connection;
use super::stop::Stop;
use crate::h1::body_reader::{self, ReadFault};
use crate::h1::codec::encode::CONTINUE;
use crate::h1::codec::framing::{BodyDecoder, BodyFraming};
use crate::h1::codec::request::RequestFacts;
use crate::upload::{Demand, Upload, upload};
use crate::{Body, BodyError};

/// A body up to this size that is held already is given as one piece.
const MOST_AT_ONCE: u64 = 64 * 1024;

/// The connection's end of a request's body. Most requests have none: it is small then.
#[derive(Default)]
pub(super) struct RequestBody {
    /// `None` when the whole body has been read from the connection.
    under_way: Option<Box<UnderWay>>,
}

/// A body that has not been read to its end.
struct UnderWay {
    progress: Progress,
    /// `None` when nobody reads it, or no more.
    upload: Option<Upload>,
    /// The client waits for 100 (Continue) before it sends.
    awaits_continue: bool,
    /// Read so far, in bytes.
    received: u64,
    /// How much had been read when the throwing away of the rest began.
    drained_from: Option<u64>,
    /// By when all of the rest has to have come, however it drips.
    drain_deadline: Option<Instant>,
    /// By when the piece that is awaited has to come.
    deadline: Option<Instant>,
}

enum Progress {
    Reading(BodyDecoder),
    /// Read to its end.
    Done,
    /// What is left of it cannot be found any more.
    Lost,
}

impl RequestBody {
    /// Begins the body of a request; gives the handler's end of it.
    pub(super) fn begin(
        &mut self,
        connection: &mut Connection,
        facts: RequestFacts,
    ) -> Result<Body, Stop> {
        let size = match facts.framing {
            BodyFraming::None => Some(0),
            BodyFraming::Length(length) => Some(length),
            BodyFraming::Chunked => None,
        };
        let config = &connection.worker.config;
        if let (Some(size), Some(limit)) = (size, config.max_body_bytes)
            && size > limit
        {
            return Err(Stop::BodyTooLarge(limit));
        }
        if let Some(size) = size.filter(|&size| size <= MOST_AT_ONCE)
            && connection.conn.buffered().len() as u64 >= size
        {
            let data = connection.conn.split(size as usize).map_err(Stop::ClientGone)?;
            return Ok(Body::full(data));
        }
        let (upload, body) = upload(size);
        let decoder = BodyDecoder::of_request(facts.framing, &config.head_limits());
        self.under_way = Some(Box::new(UnderWay {
            progress: Progress::Reading(decoder),
            upload: Some(upload),
            awaits_continue: facts.expect_continue,
            received: 0,
            drained_from: None,
            drain_deadline: None,
            deadline: None,
        }));
        Ok(Body::upload(body))
    }

    /// True when the whole body has been read from the connection.
    pub(super) fn is_done(&self) -> bool {
        self.under_way.is_none()
    }

    /// By when the piece that is awaited has to come; `None` when none is.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.as_ref()?.deadline
    }

    /// By when the rest that is thrown away has to have come; `None` when none is.
    pub(super) fn drain_deadline(&self) -> Option<Instant> {
        self.under_way.as_ref()?.drain_deadline
    }

    /// False when the rest of the body would keep the connection from going on: a client that has
    /// not been told to send it may send it or not, so the next request could not be found.
    pub(super) fn can_be_drained(&self) -> bool {
        self.under_way.as_ref().is_none_or(|body| !body.awaits_continue)
    }

    /// True as long as somebody may still read it, and it has not ended.
    pub(super) fn has_reader(&self) -> bool {
        self.under_way.as_ref().is_some_and(|body| body.has_reader())
    }

    /// To be called before a response's head is queued. A body that still has a reader is asked
    /// for now: once the response has begun, an interim one has no place any more.
    #[inline]
    pub(super) fn settle_continue(&mut self, connection: &mut Connection) {
        if let Some(body) = &mut self.under_way
            && body.awaits_continue
            && body.has_reader()
        {
            body.queue_continue(connection);
        }
    }

    /// To be called before the handler, or its answer's body, is polled.
    #[inline]
    pub(super) fn renew_demand(&self, cx: &Context<'_>) {
        if let Some(UnderWay { upload: Some(upload), .. }) = self.under_way.as_deref() {
            upload.renew_demand(cx);
        }
    }

    /// Ready when a piece, or the end, was given to the handler; pending when it asks for none or
    /// none has come.
    #[inline]
    pub(super) fn poll_pump(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stop>> {
        let Some(body) = &mut self.under_way else { return Poll::Pending };
        let pumped = body.poll_pump(connection, cx);
        self.forget_if_done();
        pumped
    }

    /// Gives the body up: its reader is told why, and the connection cannot go on.
    pub(super) fn lose(&mut self, stop: &Stop, cx: &Context<'_>) {
        if let Some(body) = &mut self.under_way {
            body.lose(stop, cx);
        }
    }

    /// Ready with true when the rest of the body was read and thrown away, with false when it is
    /// more than the limit or cannot be read.
    pub(super) fn poll_drain(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let Some(body) = &mut self.under_way else { return Poll::Ready(true) };
        let drained = body.poll_drain(connection, cx);
        self.forget_if_done();
        drained
    }

    fn forget_if_done(&mut self) {
        if self.under_way.as_ref().is_some_and(|body| matches!(body.progress, Progress::Done)) {
            self.under_way = None;
        }
    }
}

impl UnderWay {
    fn has_reader(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| !upload.is_reader_gone())
    }

    fn queue_continue(&mut self, connection: &mut Connection) {
        self.awaits_continue = false;
        // RFC 9110 10.1.1: it may be left out when some of the body has come.
        if connection.conn.is_empty() {
            connection.conn.put(CONTINUE);
        }
    }

    fn poll_pump(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stop>> {
        let Some(upload) = &self.upload else { return Poll::Pending };
        match upload.poll_demand(cx) {
            Demand::Piece => {}
            Demand::Nothing => {
                self.deadline = None;
                return Poll::Pending;
            }
            Demand::Gone => {
                self.upload = None;
                self.deadline = None;
                return Poll::Pending;
            }
        }
        if self.awaits_continue {
            self.queue_continue(connection);
            if let Poll::Ready(Err(stop)) = connection.poll_send(cx) {
                return Poll::Ready(Err(stop));
            }
        }
        let piece = ready!(self.poll_piece(connection, cx));
        let Some(upload) = &self.upload else { return Poll::Pending };
        match piece {
            Ok(piece) => {
                if let Some(piece) = piece {
                    upload.give(piece, cx);
                }
                if matches!(self.progress, Progress::Done) {
                    upload.end(Ok(()), cx);
                    self.upload = None;
                }
                Poll::Ready(Ok(()))
            }
            Err(stop) => {
                self.lose(&stop, cx);
                Poll::Ready(Err(stop))
            }
        }
    }

    fn lose(&mut self, stop: &Stop, cx: &Context<'_>) {
        self.progress = Progress::Lost;
        self.deadline = None;
        if let Some(upload) = self.upload.take() {
            upload.end(Err(body_error(stop)), cx);
        }
    }

    fn poll_drain(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<bool> {
        self.upload = None;
        let limit = connection.worker.config.max_drain_bytes;
        if self.drained_from.is_none() {
            self.drain_deadline = connection.after(connection.worker.config.body_timeout);
        }
        let start = *self.drained_from.get_or_insert(self.received);
        loop {
            match &self.progress {
                Progress::Done => return Poll::Ready(true),
                Progress::Lost => return Poll::Ready(false),
                Progress::Reading(decoder) if decoder.left() > Some(limit) => {
                    return Poll::Ready(false);
                }
                Progress::Reading(_) if self.received - start > limit => {
                    return Poll::Ready(false);
                }
                Progress::Reading(_) => {}
            }
            if ready!(self.poll_piece(connection, cx)).is_err() {
                return Poll::Ready(false);
            }
        }
    }

    /// The next piece; `None` at the end of the body.
    fn poll_piece(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, Stop>> {
        let Progress::Reading(decoder) = &mut self.progress else {
            return Poll::Ready(Ok(None));
        };
        let Poll::Ready(read) = body_reader::poll_frame(decoder, &mut *connection.conn, cx) else {
            if self.deadline.is_none() {
                self.deadline = connection.after(connection.worker.config.body_timeout);
            }
            return Poll::Pending;
        };
        self.deadline = None;
        let frame = match read {
            Ok(frame) => frame,
            Err(ReadFault::Connection(error)) => return Poll::Ready(Err(Stop::ClientGone(error))),
            Err(ReadFault::Rejected(reject)) => return Poll::Ready(Err(Stop::Rejected(reject))),
        };
        if decoder.left() == Some(0) || frame.as_ref().is_none_or(Frame::is_trailers) {
            self.progress = Progress::Done;
        }
        let length = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        self.received += length as u64;
        match connection.worker.config.max_body_bytes {
            Some(limit) if self.received > limit => Poll::Ready(Err(Stop::BodyTooLarge(limit))),
            _ => Poll::Ready(Ok(frame)),
        }
    }
}

/// What the handler is told of a body that stopped.
fn body_error(stop: &Stop) -> BodyError {
    match stop {
        Stop::ClientGone(error) => BodyError::Connection(Error::clone(error)),
        Stop::Rejected(reject) => BodyError::Malformed(reject.text()),
        Stop::BodyTooLarge(limit) => BodyError::TooLarge { limit: *limit },
        Stop::TimedOut(_) => BodyError::TimedOut,
        Stop::Panicked | Stop::Failed | Stop::CutShort | Stop::Succeeded(_) => BodyError::Cancelled,
    }
}
