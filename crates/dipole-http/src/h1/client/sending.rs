//! A request's body on its way out.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use dipole_net::{Conn, Error};
use http_body::{Body as HttpBody, Frame};

use crate::BoxError;
use crate::h1::body_writer::BodyWriter;
use crate::h1::codec::encode::Framing;

/// What may be queued on the connection before it has to take some of it, in bytes; one piece of
/// the body may be above that.
const MAX_QUEUED: usize = 64 * 1024;

/// What is kept of a body at most, in bytes, so that it can be sent again.
const MAX_RECORD: usize = 64 * 1024;

/// The body of one request.
pub(crate) struct Sending {
    /// `None` when the body has ended, or there is none.
    source: Option<Pin<Box<dyn Source>>>,
    framing: Framing,
    writer: BodyWriter,
    record: Record,
    /// What is sent before the source is asked: what was sent before, in vain.
    again: VecDeque<Bytes>,
    /// All of it is queued.
    is_queued: bool,
}

/// What was sent, kept to be sent again.
enum Record {
    /// Nothing is kept.
    Off,
    On {
        pieces: VecDeque<Bytes>,
        bytes: usize,
    },
}

/// Why a body cannot be sent on.
#[derive(Debug)]
pub(crate) enum SendFault {
    /// The connection takes no more.
    Connection(Error),
    /// The body itself failed.
    Body(BoxError),
    /// The body is longer or shorter than it said.
    Length,
}

impl Default for Sending {
    /// No body.
    fn default() -> Self {
        Self {
            source: None,
            framing: Framing::Unsaid,
            writer: BodyWriter::Nothing,
            record: Record::Off,
            again: VecDeque::new(),
            is_queued: true,
        }
    }
}

impl Sending {
    pub(crate) fn new<B>(body: B) -> Self
    where
        B: HttpBody<Error: Into<BoxError>> + Send + 'static,
    {
        let exact = body.size_hint().exact();
        if body.is_end_stream() || exact == Some(0) {
            return Self::default();
        }
        let framing = exact.map_or(Framing::Chunked, Framing::Length);
        Self {
            source: Some(Box::pin(body)),
            framing,
            writer: writer(framing),
            is_queued: false,
            ..Self::default()
        }
    }

    /// What the request's head says of it.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// True when nothing of it is left to be queued; true from the beginning without a body.
    pub(crate) fn is_queued(&self) -> bool {
        self.is_queued
    }

    /// Keeps what is sent from now on, so that [`rewind`](Self::rewind) can send it again.
    pub(crate) fn record(&mut self) {
        self.record = Record::On { pieces: VecDeque::new(), bytes: 0 };
    }

    /// True where [`rewind`](Self::rewind) would do.
    pub(crate) fn can_rewind(&self) -> bool {
        self.framing == Framing::Unsaid || matches!(self.record, Record::On { .. })
    }

    /// Begins anew, on another connection. False when what was sent is not known any more; then
    /// nothing is changed.
    pub(crate) fn rewind(&mut self) -> bool {
        if self.framing == Framing::Unsaid {
            return true;
        }
        let Record::On { pieces, .. } = std::mem::replace(&mut self.record, Record::Off) else {
            return false;
        };
        // What an earlier connection had left of `again` comes after what was taken from it.
        let left = std::mem::replace(&mut self.again, pieces);
        self.again.extend(left);
        self.writer = writer(self.framing);
        self.is_queued = false;
        true
    }

    /// Sends; ready when the connection has taken everything. While the body is not ready, what
    /// there is of it is sent.
    pub(crate) fn poll(
        &mut self,
        conn: &mut dyn Conn,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendFault>> {
        loop {
            if self.is_queued || conn.queued() >= MAX_QUEUED {
                ready!(conn.poll_flush(cx)).map_err(SendFault::Connection)?;
                if self.is_queued {
                    return Poll::Ready(Ok(()));
                }
            }
            let Poll::Ready(piece) = self.poll_piece(cx) else {
                if let Poll::Ready(Err(error)) = conn.poll_flush(cx) {
                    return Poll::Ready(Err(SendFault::Connection(error)));
                }
                return Poll::Pending;
            };
            match piece.map_err(SendFault::Body)? {
                Some(frame) => self.queue(conn, frame)?,
                None => {
                    self.writer.end(conn).map_err(|()| SendFault::Length)?;
                    self.is_queued = true;
                }
            }
        }
    }

    /// The next piece, for a connection that frames bodies in its own way. What it gives is kept,
    /// as `record` says.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, SendFault>> {
        let frame = ready!(self.poll_piece(cx)).map_err(SendFault::Body)?;
        if let Some(frame) = &frame {
            self.record.note(frame);
        }
        Poll::Ready(Ok(frame))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BoxError>> {
        if let Some(piece) = self.again.pop_front() {
            return Poll::Ready(Ok(Some(Frame::data(piece))));
        }
        let Some(source) = &mut self.source else { return Poll::Ready(Ok(None)) };
        let piece = ready!(source.as_mut().poll_piece(cx));
        if piece.is_none() {
            self.source = None;
        }
        Poll::Ready(piece.transpose())
    }

    fn queue(&mut self, conn: &mut dyn Conn, frame: Frame<Bytes>) -> Result<(), SendFault> {
        self.record.note(&frame);
        self.writer.write(conn, frame).map_err(|()| SendFault::Length)?;
        self.is_queued = self.writer.is_whole();
        Ok(())
    }
}

impl Record {
    fn note(&mut self, frame: &Frame<Bytes>) {
        let Self::On { pieces, bytes } = self else { return };
        match frame.data_ref() {
            Some(data) if *bytes + data.len() <= MAX_RECORD => {
                *bytes += data.len();
                pieces.push_back(data.clone());
            }
            _ => *self = Self::Off,
        }
    }
}

fn writer(framing: Framing) -> BodyWriter {
    match framing {
        Framing::Unsaid => BodyWriter::Nothing,
        Framing::Length(length) => BodyWriter::Length(length),
        Framing::Chunked => BodyWriter::Chunked,
    }
}

/// Any body, by one name.
trait Source: Send {
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>;
}

impl<B> Source for B
where
    B: HttpBody<Error: Into<BoxError>> + Send,
{
    fn poll_piece(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = ready!(self.poll_frame(cx));
        Poll::Ready(piece.map(|piece| match piece {
            Ok(frame) => Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))),
            Err(error) => Err(error.into()),
        }))
    }
}
