//! A message as it goes out on its stream, of either end.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dipole_net::{BoxSend, ErrorKind, Result};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::codec::fields::{self, RequestHead};
use super::codec::{code, frames};
use crate::server::Deadline;

/// Pieces of a body up to this size are put together before they are sent.
const SMALL: usize = 4 * 1024;
/// What is put together at most.
const MOST_TOGETHER: usize = 16 * 1024;

/// The sending half of a request's stream. Dropped before its end, it is broken off
/// (`H3_REQUEST_CANCELLED`).
pub(crate) struct Writing {
    send: BoxSend,
    /// Frames that are encoded and not sent.
    out: BytesMut,
    /// What is to be sent after them.
    piece: Bytes,
    /// Without any progress of what is being sent.
    timeout: Option<Duration>,
    /// Since something waits to be taken: by when, if there is a limit.
    late_at: Option<Option<Instant>>,
    timer: Deadline,
}

impl Writing {
    /// The peer has to take something of what is sent within `timeout`, each time.
    pub(crate) fn new(send: BoxSend, timeout: Option<Duration>) -> Self {
        let (out, piece, timer) = (BytesMut::new(), Bytes::new(), Deadline::default());
        Self { send, out, piece, timeout, late_at: None, timer }
    }

    pub(crate) fn id(&self) -> u64 {
        self.send.id()
    }

    /// Queues a request's head.
    pub(crate) fn request(&mut self, head: &RequestHead<'_>, fields: &HeaderMap) {
        self.out.reserve(256);
        fields::encode_request(head, fields, &mut self.out);
    }

    /// Queues a response's head.
    pub(crate) fn response(&mut self, status: StatusCode, fields: &HeaderMap) {
        self.out.reserve(256);
        fields::encode_response(status, fields, &mut self.out);
    }

    /// Queues a piece of the body. To be called where [`is_full`](Self::is_full) is false.
    pub(crate) fn data(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        frames::encode_head(frames::DATA, data.len(), &mut self.out);
        if data.len() <= SMALL {
            self.out.extend_from_slice(&data);
        } else {
            debug_assert!(self.piece.is_empty(), "it is full");
            self.piece = data;
        }
    }

    /// Queues trailers, which are the last.
    pub(crate) fn trailers(&mut self, fields: &HeaderMap) {
        fields::encode_trailers(fields, &mut self.out);
    }

    /// True when what is queued is to be sent before there is more.
    pub(crate) fn is_full(&self) -> bool {
        !self.piece.is_empty() || self.out.len() > MOST_TOGETHER
    }

    /// Nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.piece.is_empty() && self.out.is_empty()
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// `TimedOut` when the peer has taken nothing for too long; those of the stream.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.out.is_empty() {
            let mut bytes = self.out.split().freeze();
            let sent = self.poll_send(&mut bytes, cx);
            if !bytes.is_empty() {
                // Once more as what is to be sent; seldom, and small.
                self.out.extend_from_slice(&bytes);
            }
            ready!(sent)?;
        }
        if self.piece.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut piece = std::mem::take(&mut self.piece);
        let sent = self.poll_send(&mut piece, cx);
        self.piece = piece;
        sent
    }

    fn poll_send(&mut self, bytes: &mut Bytes, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !bytes.is_empty() {
            match self.send.poll_write_bytes(cx, bytes) {
                Poll::Ready(taken) => {
                    taken?;
                    self.late_at = None;
                }
                Poll::Pending => return self.poll_late(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let timeout = self.timeout;
        let late =
            self.late_at.get_or_insert_with(|| timeout.map(|timeout| Instant::now() + timeout));
        self.timer.set(*late);
        // A tunnel's, and a client's, is polled by one task and then by another.
        ready!(self.timer.poll_passed_for(cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Sends what is queued, and the end.
    ///
    /// # Errors
    /// As [`poll_flush`](Self::poll_flush).
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_flush(cx))?;
        match self.send.poll_close(cx) {
            Poll::Ready(closed) => Poll::Ready(closed),
            Poll::Pending => self.poll_late(cx),
        }
    }

    /// Ready with the peer's code when it wants no more; with `None` when it has all, or this end
    /// broke it off.
    ///
    /// # Errors
    /// The connection's.
    pub(crate) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        self.send.poll_stopped(cx)
    }

    /// Breaks the stream off. After the end it does nothing.
    pub(crate) fn cancel(&mut self, code: u64) {
        self.send.cancel_write(code);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.cancel(code::REQUEST_CANCELLED);
    }
}
