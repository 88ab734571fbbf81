//! A response on its way to the client.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dipole_net::{BoxSend, Error, ErrorKind, Result};
use http::{HeaderMap, StatusCode};
use http_body::{Body as HttpBody, Frame as BodyFrame};
use tokio::time::Instant;

use crate::BoxError;
use crate::h3::codec::{code, fields, frames};
use crate::server::{AnswerBody, Deadline};

/// Pieces of a body up to this size are put together before they are sent.
const SMALL: usize = 4 * 1024;
/// What is put together at most.
const MOST_TOGETHER: usize = 16 * 1024;

/// The sending half of a request's stream.
pub(super) struct Leaving {
    send: BoxSend,
    /// Frames that are encoded and not sent.
    out: BytesMut,
    /// Without any progress of what is being sent.
    timeout: Option<Duration>,
    /// Since something waits to be taken: by when, if there is a limit.
    late_at: Option<Option<Instant>>,
    timer: Deadline,
}

/// Why a response was not sent whole.
#[derive(Debug)]
pub(super) enum Cut {
    /// The client wants no more of it, or the connection has ended.
    Gone,
    /// It took nothing for too long.
    Late,
    /// The body failed, or is not as long as its `content-length`.
    Body,
}

impl From<Error> for Cut {
    fn from(error: Error) -> Self {
        if *error.kind() == ErrorKind::TimedOut { Self::Late } else { Self::Gone }
    }
}

impl Leaving {
    pub(super) fn new(send: BoxSend, timeout: Option<Duration>) -> Self {
        let (out, timer) = (BytesMut::new(), Deadline::default());
        Self { send, out, timeout, late_at: None, timer }
    }

    /// Puts a response's head before what is sent next.
    pub(super) fn head(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.out.reserve(256);
        fields::encode_response(status, headers, &mut self.out);
    }

    /// Sends a body and the end. `declared` is what its `content-length` says.
    pub(super) async fn body<B>(
        &mut self,
        mut body: AnswerBody<B>,
        declared: Option<u64>,
    ) -> Result<(), Cut>
    where
        B: HttpBody<Error: Into<BoxError>>,
    {
        let mut left = declared;
        loop {
            // What is encoded is sent before a body is waited for.
            let frame = poll_fn(|cx| self.poll_next(&mut body, cx)).await?;
            let Some(frame) = frame else { break };
            match frame.into_data() {
                Ok(data) => {
                    if let Some(left) = &mut left {
                        *left = left.checked_sub(data.len() as u64).ok_or(Cut::Body)?;
                    }
                    self.data(data).await?;
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        fields::encode_trailers(&trailers, &mut self.out);
                        break;
                    }
                }
            }
        }
        if left.is_some_and(|left| left > 0) {
            return Err(Cut::Body);
        }
        self.end().await
    }

    /// The body's next piece; meanwhile sends what is there, and looks for the client's leaving.
    fn poll_next<B>(
        &mut self,
        body: &mut AnswerBody<B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<BodyFrame<Bytes>>, Cut>>
    where
        B: HttpBody<Error: Into<BoxError>>,
    {
        if self.out.len() > MOST_TOGETHER {
            ready!(self.poll_flush(cx))?;
        }
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(|_| Cut::Body)),
            Poll::Pending => {
                ready!(self.poll_flush(cx))?;
                match self.send.poll_stopped(cx) {
                    Poll::Ready(_) => Poll::Ready(Err(Cut::Gone)),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    /// A DATA frame.
    async fn data(&mut self, mut data: Bytes) -> Result<(), Cut> {
        if data.is_empty() {
            return Ok(());
        }
        frames::encode_head(frames::DATA, data.len(), &mut self.out);
        if data.len() <= SMALL {
            self.out.extend_from_slice(&data);
            return Ok(());
        }
        poll_fn(|cx| self.poll_flush(cx)).await?;
        poll_fn(|cx| self.poll_send(&mut data, cx)).await?;
        Ok(())
    }

    /// Sends what is encoded.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.out.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = self.out.split().freeze();
        let sent = self.poll_send(&mut bytes, cx);
        if !bytes.is_empty() {
            // Once more as what is to be sent; seldom, and small.
            self.out.extend_from_slice(&bytes);
        }
        sent
    }

    fn poll_send(&mut self, bytes: &mut Bytes, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while !bytes.is_empty() {
            match self.send.poll_write_bytes(cx, bytes) {
                Poll::Ready(taken) => {
                    taken?;
                    self.late_at = None;
                }
                Poll::Pending => {
                    let timeout = self.timeout;
                    let late = self
                        .late_at
                        .get_or_insert_with(|| timeout.map(|timeout| Instant::now() + timeout));
                    self.timer.set(*late);
                    ready!(self.timer.poll_passed(cx));
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the end of the stream after what is encoded.
    pub(super) async fn end(&mut self) -> Result<(), Cut> {
        poll_fn(|cx| self.poll_flush(cx)).await?;
        Ok(poll_fn(|cx| self.send.poll_close(cx)).await?)
    }

    /// Ready when the client wants no more, has all of it, or is gone.
    pub(super) fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.send.poll_stopped(cx).map(drop)
    }

    pub(super) fn cancel(&mut self, code: u64) {
        self.send.cancel_write(code);
    }

    /// Breaks a response off for this reason.
    pub(super) fn cut(&mut self, cut: &Cut) {
        self.cancel(match cut {
            Cut::Gone | Cut::Late => code::REQUEST_CANCELLED,
            Cut::Body => code::INTERNAL_ERROR,
        });
    }
}
