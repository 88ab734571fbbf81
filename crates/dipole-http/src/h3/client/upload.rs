//! A request's body on its way out.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h3::client::RequestStream;
use h3::error::StreamError;
use http_body::Frame;

use crate::BoxError;
use crate::h1::client::{SendFault, Sending};
use crate::h1::codec::encode::Framing;
use crate::h3::quic::QuicSend;

/// Pieces of a body where each has a deadline, in bytes.
const PIECE: usize = 16 * 1024;

/// The sending half of a request.
pub(super) type SendHalf = RequestStream<QuicSend<Bytes>, Bytes>;

/// How the sending of a request ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// All of it has been taken.
    Whole,
    /// The server wants no more of it, or the connection has ended: what the server has to say is
    /// told where its response is read.
    NotWanted,
    /// The server took nothing in time.
    TimedOut,
    /// The body failed.
    Body(BoxError),
    /// The body is longer or shorter than it said.
    Length,
}

/// What is still to be sent of a request. Dropped before its end, the stream is broken off.
pub(super) struct Upload {
    /// `None` once it has ended.
    sending: Option<Pin<Box<dyn Future<Output = Sent> + Send>>>,
    shelf: Option<Arc<Mutex<Sending>>>,
}

fn lock(shelf: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upload {
    /// Sends what `sending` has by `half`, and ends it. Begins with the first poll. The server may
    /// take nothing for `limit` at most.
    pub(super) fn new(half: SendHalf, sending: &mut Sending, limit: Option<Duration>) -> Self {
        if sending.framing() == Framing::Unsaid {
            return Self { sending: Some(Box::pin(finish(half, limit))), shelf: None };
        }
        let shelf = Arc::new(Mutex::new(std::mem::take(sending)));
        let future = send(half, Arc::clone(&shelf), limit);
        Self { sending: Some(Box::pin(future)), shelf: Some(shelf) }
    }

    /// Ready when it has ended, once with how.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Sent>> {
        let Some(sending) = &mut self.sending else { return Poll::Ready(None) };
        let sent = ready!(sending.as_mut().poll(cx));
        self.sending = None;
        Poll::Ready(Some(sent))
    }

    /// Sends no more, and breaks the stream off.
    pub(super) fn give_up(&mut self) {
        self.sending = None;
    }

    /// Gives the body back, for another try.
    pub(super) fn take_back(mut self, sending: &mut Sending) {
        self.give_up();
        if let Some(shelf) = &self.shelf {
            *sending = std::mem::take(&mut *lock(shelf));
        }
    }
}

async fn finish(mut half: SendHalf, limit: Option<Duration>) -> Sent {
    let end = in_time(limit, half.finish()).await;
    end.unwrap_or(Sent::Whole)
}

async fn send(mut half: SendHalf, shelf: Arc<Mutex<Sending>>, limit: Option<Duration>) -> Sent {
    let mut left = match lock(&shelf).framing() {
        Framing::Length(length) => Some(length),
        Framing::Unsaid | Framing::Chunked => None,
    };
    loop {
        let frame = match poll_fn(|cx| lock(&shelf).poll_frame(cx)).await {
            Ok(Some(frame)) => frame,
            Ok(None) if left.unwrap_or(0) > 0 => return Sent::Length,
            Ok(None) => break,
            Err(SendFault::Body(error)) => return Sent::Body(error),
            Err(SendFault::Length) => return Sent::Length,
            Err(SendFault::Connection(_)) => return Sent::NotWanted,
        };
        let end = match frame.into_data().map_err(Frame::into_trailers) {
            Ok(data) => {
                if let Some(left) = &mut left {
                    match left.checked_sub(data.len() as u64) {
                        Some(rest) => *left = rest,
                        None => return Sent::Length,
                    }
                }
                send_data(&mut half, data, limit).await
            }
            Err(_) if left.unwrap_or(0) > 0 => return Sent::Length,
            Err(Ok(trailers)) => {
                let end = in_time(limit, half.send_trailers(trailers)).await;
                match end {
                    // Nothing comes after trailers.
                    None => break,
                    end => end,
                }
            }
            Err(Err(_)) => None,
        };
        if let Some(end) = end {
            return end;
        }
    }
    finish(half, limit).await
}

/// `None` when all of it has been taken.
async fn send_data(half: &mut SendHalf, mut data: Bytes, limit: Option<Duration>) -> Option<Sent> {
    while !data.is_empty() {
        let most = if limit.is_some() { PIECE } else { data.len() };
        let piece = data.split_to(most.min(data.len()));
        let end = in_time(limit, half.send_data(piece)).await;
        if end.is_some() {
            return end;
        }
    }
    None
}

/// `None` when it went well.
async fn in_time(
    limit: Option<Duration>,
    sent: impl Future<Output = Result<(), StreamError>>,
) -> Option<Sent> {
    let sent = match limit {
        None => sent.await,
        Some(limit) => match tokio::time::timeout(limit, sent).await {
            Ok(sent) => sent,
            Err(_) => return Some(Sent::TimedOut),
        },
    };
    sent.err().map(|_| Sent::NotWanted)
}
