//! A connection, and opening its streams.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use dipole_net::{BoxFuture, BoxReceive, BoxSend, Result, Stream, StreamConn};
use h3::error::Code;
use h3::quic::{
    BidiStream, Connection, ConnectionErrorIncoming, OpenStreams, RecvStream, SendStream,
    StreamErrorIncoming, StreamId, WriteBuf,
};

use tokio::sync::watch;

use super::error::{connection_error, stream_error};
use super::receive::QuicReceive;
use super::send::QuicSend;
use crate::h3::codec::code;

/// A call of the connection that waits, kept until it is ready.
type Waiting<T> = Option<BoxFuture<'static, Result<T>>>;

/// A connection as `h3` wants it.
pub(crate) struct QuicConn {
    opener: QuicOpener,
    accepting: Waiting<Stream>,
    accepting_uni: Waiting<BoxReceive>,
    goaway: Arc<watch::Sender<u64>>,
}

/// Streams that are open already, for whoever opens one next.
#[derive(Clone, Default)]
pub(crate) struct Opened {
    streams: Arc<Mutex<VecDeque<Stream>>>,
}

impl Opened {
    pub(crate) fn put(&self, stream: Stream) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push_back(stream);
    }

    fn take(&self) -> Option<Stream> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// What opens streams; a clone waits for itself.
pub(crate) struct QuicOpener {
    conn: Arc<dyn StreamConn>,
    longest_frame: usize,
    opened: Opened,
    opening: Waiting<Stream>,
    opening_uni: Waiting<BoxSend>,
}

impl QuicConn {
    /// Frames other than DATA may be `longest_frame` bytes; a peer that sends a longer one ends the
    /// connection (`H3_EXCESSIVE_LOAD`).
    pub(crate) fn new(conn: Arc<dyn StreamConn>, longest_frame: usize) -> Self {
        let opened = Opened::default();
        let opener = QuicOpener { conn, longest_frame, opened, opening: None, opening_uni: None };
        let goaway = Arc::new(watch::Sender::new(u64::MAX));
        Self { opener, accepting: None, accepting_uni: None, goaway }
    }

    /// Where to put streams that are open already.
    pub(crate) fn opened(&self) -> Opened {
        self.opener.opened.clone()
    }

    /// The least number that the peer has said GOAWAY with; the largest one before.
    pub(crate) fn goaway(&self) -> watch::Receiver<u64> {
        self.goaway.subscribe()
    }
}

impl QuicOpener {
    fn stream<B: Buf>(&self, stream: Stream) -> QuicStream<B> {
        let conn = Arc::clone(&self.conn);
        QuicStream {
            send: QuicSend::new(stream.send),
            receive: QuicReceive::request(stream.receive, conn, self.longest_frame),
        }
    }
}

impl Clone for QuicOpener {
    fn clone(&self) -> Self {
        let (conn, longest_frame) = (Arc::clone(&self.conn), self.longest_frame);
        let opened = self.opened.clone();
        Self { conn, longest_frame, opened, opening: None, opening_uni: None }
    }
}

/// Polls what waits, and begins it with `begin` when nothing does.
fn poll_kept<T>(
    waiting: &mut Waiting<T>,
    cx: &mut Context<'_>,
    begin: impl FnOnce() -> BoxFuture<'static, Result<T>>,
) -> Poll<Result<T>> {
    let polled = waiting.get_or_insert_with(begin).as_mut().poll(cx);
    if polled.is_ready() {
        *waiting = None;
    }
    polled
}

impl<B: Buf> Connection<B> for QuicConn {
    type RecvStream = QuicReceive;
    type OpenStreams = QuicOpener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<QuicReceive, ConnectionErrorIncoming>> {
        let conn = &self.opener.conn;
        let accepted = poll_kept(&mut self.accepting_uni, cx, || {
            let conn = Arc::clone(conn);
            Box::pin(async move { conn.accept_uni_stream().await })
        });
        accepted.map(|accepted| match accepted {
            Ok(receive) => {
                let goaway = Arc::clone(&self.goaway);
                Ok(QuicReceive::uni(receive, Arc::clone(conn), self.opener.longest_frame, goaway))
            }
            Err(error) => Err(connection_error(error)),
        })
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<QuicStream<B>, ConnectionErrorIncoming>> {
        let conn = &self.opener.conn;
        let accepted = poll_kept(&mut self.accepting, cx, || {
            let conn = Arc::clone(conn);
            Box::pin(async move { conn.accept_stream().await })
        });
        accepted.map(|accepted| match accepted {
            Ok(stream) => Ok(self.opener.stream(stream)),
            Err(error) => Err(connection_error(error)),
        })
    }

    fn opener(&self) -> QuicOpener {
        self.opener.clone()
    }
}

impl<B: Buf> OpenStreams<B> for QuicConn {
    type BidiStream = QuicStream<B>;
    type SendStream = QuicSend<B>;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<QuicStream<B>, StreamErrorIncoming>> {
        self.opener.poll_open_bidi(cx)
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<QuicSend<B>, StreamErrorIncoming>> {
        self.opener.poll_open_send(cx)
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.opener.conn.close_with_error(code.value(), reason);
    }
}

impl<B: Buf> OpenStreams<B> for QuicOpener {
    type BidiStream = QuicStream<B>;
    type SendStream = QuicSend<B>;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<QuicStream<B>, StreamErrorIncoming>> {
        if let Some(stream) = self.opened.take() {
            return Poll::Ready(Ok(self.stream(stream).cancelled_when_dropped()));
        }
        // Most often there is credit, and nothing is to be kept.
        let opened = match (&self.opening, self.conn.open_stream()) {
            (None, Ok(stream)) => Poll::Ready(Ok(stream)),
            (None, Err(error)) if !error.is_temporary() => Poll::Ready(Err(error)),
            _ => poll_kept(&mut self.opening, cx, || {
                let conn = Arc::clone(&self.conn);
                Box::pin(async move { conn.open_stream_sync().await })
            }),
        };
        opened.map(|opened| match opened {
            Ok(stream) => Ok(self.stream(stream).cancelled_when_dropped()),
            Err(error) => Err(stream_error(error)),
        })
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<QuicSend<B>, StreamErrorIncoming>> {
        let opened = poll_kept(&mut self.opening_uni, cx, || {
            let conn = Arc::clone(&self.conn);
            Box::pin(async move { conn.open_uni_stream_sync().await })
        });
        opened.map(|opened| opened.map(QuicSend::new).map_err(stream_error))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.conn.close_with_error(code.value(), reason);
    }
}

/// A bidirectional stream.
pub(crate) struct QuicStream<B> {
    send: QuicSend<B>,
    receive: QuicReceive,
}

impl<B> QuicStream<B> {
    /// A request's, which is broken off when nobody wants it any more (RFC 9114 section 4.1.1).
    fn cancelled_when_dropped(mut self) -> Self {
        self.send.drop_code = Some(code::REQUEST_CANCELLED);
        self.receive.drop_code = Some(code::REQUEST_CANCELLED);
        self
    }
}

impl<B: Buf> BidiStream<B> for QuicStream<B> {
    type SendStream = QuicSend<B>;
    type RecvStream = QuicReceive;

    fn split(self) -> (QuicSend<B>, QuicReceive) {
        (self.send, self.receive)
    }
}

impl<B: Buf> SendStream<B> for QuicStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl<B> RecvStream for QuicStream<B> {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.receive.recv_id()
    }
}
