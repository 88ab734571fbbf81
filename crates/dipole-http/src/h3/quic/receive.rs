//! Receiving a stream, in frames that `h3` gets right.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use dipole_net::{BoxReceive, StreamConn};
use h3::quic::{ConnectionErrorIncoming, RecvStream, StreamErrorIncoming, StreamId};

use tokio::sync::watch;

use super::error::stream_error;
use super::send::stream_id;
use crate::h3::codec::frames::{self, Frame, FrameFault, FrameReader, LONGEST_HEAD};
use crate::h3::codec::integer;

/// A receiving half.
///
/// `h3` is given each piece of a body as a frame of its own, head and payload apart: it reads one
/// piece of a stream for each call, and so never holds more than one. Empty and unknown frames do
/// not come to it.
pub(crate) struct QuicReceive {
    inner: BoxReceive,
    conn: Arc<dyn StreamConn>,
    state: State,
    /// Of the peer, not looked at yet.
    arrived: Bytes,
    /// The payload whose head was given.
    next: Option<Bytes>,
    /// What the peer is told when this is dropped before its end; `None` is code 0.
    pub(super) drop_code: Option<u64>,
    /// Where to say that the peer goes away; for a control stream.
    goaway: Option<Arc<watch::Sender<u64>>>,
}

impl Drop for QuicReceive {
    fn drop(&mut self) {
        if let Some(code) = self.drop_code {
            // After the end it does nothing.
            self.inner.cancel_read(code);
        }
    }
}

enum State {
    /// A unidirectional stream, whose type is still to come or in here (RFC 9114 section 6.2).
    Kind(BytesMut, usize),
    Frames(FrameReader),
    /// Not of frames.
    Plain,
}

const CONTROL_STREAM: u64 = 0x00;

impl QuicReceive {
    /// Of a bidirectional stream, which carries a request or a response.
    pub(super) fn request(
        inner: BoxReceive,
        conn: Arc<dyn StreamConn>,
        longest_frame: usize,
    ) -> Self {
        let state = State::Frames(FrameReader::new(longest_frame));
        let (arrived, next, drop_code, goaway) = (Bytes::new(), None, None, None);
        Self { inner, conn, state, arrived, next, drop_code, goaway }
    }

    /// Of a unidirectional one. If it is the control stream, `goaway` is told of the peer's.
    pub(super) fn uni(
        inner: BoxReceive,
        conn: Arc<dyn StreamConn>,
        longest_frame: usize,
        goaway: Arc<watch::Sender<u64>>,
    ) -> Self {
        let state = State::Kind(BytesMut::new(), longest_frame);
        let (arrived, next, drop_code, goaway) = (Bytes::new(), None, None, Some(goaway));
        Self { inner, conn, state, arrived, next, drop_code, goaway }
    }

    /// Ends the connection, for the peer broke its rules.
    fn fail(&self, fault: FrameFault) -> StreamErrorIncoming {
        self.conn.close_with_error(fault.code(), fault.text().as_bytes());
        let connection_error =
            ConnectionErrorIncoming::ApplicationClose { error_code: fault.code() };
        StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
    }

    /// What `h3` may see of what has arrived.
    fn seen(&mut self) -> Result<Option<Bytes>, FrameFault> {
        if let Some(payload) = self.next.take() {
            return Ok(Some(payload));
        }
        match &mut self.state {
            State::Kind(kind, longest_frame) => {
                while self.arrived.has_remaining() && integer::decode(kind).is_none() {
                    kind.put_u8(self.arrived.get_u8());
                }
                let Some((value, _)) = integer::decode(kind) else { return Ok(None) };
                let seen = kind.split().freeze();
                self.state = match value {
                    CONTROL_STREAM => State::Frames(FrameReader::new(*longest_frame)),
                    _ => State::Plain,
                };
                Ok(Some(seen))
            }
            State::Plain if self.arrived.is_empty() => Ok(None),
            State::Plain => Ok(Some(std::mem::take(&mut self.arrived))),
            State::Frames(reader) => match reader.next(&mut self.arrived)? {
                None => Ok(None),
                Some(Frame::Data(payload)) => {
                    let mut head = BytesMut::with_capacity(LONGEST_HEAD);
                    frames::encode_head(frames::DATA, payload.len(), &mut head);
                    self.next = Some(payload);
                    Ok(Some(head.freeze()))
                }
                Some(Frame::Other { kind, payload }) => {
                    if let (frames::GOAWAY, Some(goaway), Some((first, _))) =
                        (kind, &self.goaway, integer::decode(&payload))
                    {
                        goaway.send_if_modified(|known| {
                            let is_less = first < *known;
                            *known = first.min(*known);
                            is_less
                        });
                    }
                    let mut whole = BytesMut::with_capacity(LONGEST_HEAD + payload.len());
                    frames::encode_head(kind, payload.len(), &mut whole);
                    whole.extend_from_slice(&payload);
                    Ok(Some(whole.freeze()))
                }
            },
        }
    }
}

impl RecvStream for QuicReceive {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        loop {
            match self.seen() {
                Ok(None) => {}
                Ok(seen) => return Poll::Ready(Ok(seen)),
                Err(fault) => return Poll::Ready(Err(self.fail(fault))),
            }
            match ready!(self.inner.poll_read(cx)).map_err(stream_error)? {
                Some(bytes) => self.arrived = bytes,
                None => {
                    if let State::Frames(reader) = &self.state
                        && let Err(fault) = reader.end()
                    {
                        return Poll::Ready(Err(self.fail(fault)));
                    }
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.inner.cancel_read(code);
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.inner.id())
    }
}
