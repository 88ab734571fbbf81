//! A response on its way to the client.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Result};
use http_body::{Body as HttpBody, Frame as BodyFrame};

use crate::BoxError;
use crate::h3::codec::code;
use crate::h3::writing::Writing;
use crate::server::AnswerBody;

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

impl Cut {
    /// What the client is told.
    pub(super) fn code(&self) -> u64 {
        match self {
            Self::Gone | Self::Late => code::REQUEST_CANCELLED,
            Self::Body => code::INTERNAL_ERROR,
        }
    }
}

/// Sends a body behind its head, and the end. `declared` is what its `content-length` says.
pub(super) async fn send<B>(
    writing: &mut Writing,
    mut body: AnswerBody<B>,
    declared: Option<u64>,
) -> Result<(), Cut>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    let mut left = declared;
    loop {
        // What is encoded is sent before a body is waited for.
        let frame = poll_fn(|cx| poll_next(writing, &mut body, cx)).await?;
        let Some(frame) = frame else { break };
        match frame.into_data() {
            Ok(data) => {
                if let Some(left) = &mut left {
                    *left = left.checked_sub(data.len() as u64).ok_or(Cut::Body)?;
                }
                writing.data(data);
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    writing.trailers(&trailers);
                    break;
                }
            }
        }
    }
    if left.is_some_and(|left| left > 0) {
        return Err(Cut::Body);
    }
    Ok(poll_fn(|cx| writing.poll_end(cx)).await?)
}

/// The body's next piece; meanwhile sends what is there, and looks for the client's leaving.
fn poll_next<B>(
    writing: &mut Writing,
    body: &mut AnswerBody<B>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<BodyFrame<Bytes>>, Cut>>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    if writing.is_full() {
        ready!(writing.poll_flush(cx))?;
    }
    match Pin::new(body).poll_frame(cx) {
        Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(|_| Cut::Body)),
        Poll::Pending => {
            ready!(writing.poll_flush(cx))?;
            match writing.poll_stopped(cx) {
                Poll::Ready(_) => Poll::Ready(Err(Cut::Gone)),
                Poll::Pending => Poll::Pending,
            }
        }
    }
}
