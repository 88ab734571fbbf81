//! Sending a stream.

use std::task::{Context, Poll, ready};

use bytes::Buf;
use dipole_net::BoxSend;
use h3::quic::{SendStream, StreamErrorIncoming, StreamId, WriteBuf};

use super::error::stream_error;

/// A sending half. Dropped before its end, it is broken off, as every stream of the contract.
pub(crate) struct QuicSend<B> {
    inner: BoxSend,
    /// What is to be sent before the next piece.
    queued: Option<WriteBuf<B>>,
    /// What the peer is told when this is dropped before its end; `None` is code 0.
    pub(super) drop_code: Option<u64>,
}

impl<B> Drop for QuicSend<B> {
    fn drop(&mut self) {
        if let Some(code) = self.drop_code {
            // After the end it does nothing.
            self.inner.cancel_write(code);
        }
    }
}

impl<B> QuicSend<B> {
    pub(super) fn new(inner: BoxSend) -> Self {
        Self { inner, queued: None, drop_code: None }
    }
}

impl<B: Buf> SendStream<B> for QuicSend<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(queued) = self.queued.as_mut().filter(|queued| queued.has_remaining()) {
            // `h3` shows its frames as slices alone, so here the payload is copied.
            let taken = ready!(self.inner.poll_write(cx, queued.chunk())).map_err(stream_error)?;
            queued.advance(taken);
        }
        self.queued = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<B>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.queued.is_some() {
            // A wrong call, which `h3` does not make.
            return Err(StreamErrorIncoming::Unknown("the stream is not ready".into()));
        }
        self.queued = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        ready!(self.poll_ready(cx))?;
        self.inner.poll_close(cx).map_err(stream_error)
    }

    fn reset(&mut self, code: u64) {
        self.inner.cancel_write(code);
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.inner.id())
    }
}

/// A stream's number (RFC 9000 section 2.1).
pub(super) fn stream_id(id: u64) -> StreamId {
    StreamId::try_from(id & !(3 << 62)).expect("the number is below 2^62")
}
