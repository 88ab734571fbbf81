//! A request's body on its way out.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::h1::client::{SendFault, Sending};
use crate::h1::codec::encode::Framing;
use crate::{BodyError, BoxError};

/// A request's body as hyper takes it. What it has not taken, or has taken in vain, stays with the
/// [`Desk`] that it comes from.
pub(super) struct Outgoing {
    /// `None` when the request has no body.
    source: Option<Arc<Mutex<Shelf>>>,
    /// What is still to come, in bytes, where that is known.
    left: Option<u64>,
    /// As long as the body is being sent, so is its stream open.
    _stream: Arc<dyn Send + Sync>,
    /// Dropped with this: the body has been taken whole, or is given up.
    _ended: oneshot::Sender<()>,
}

/// Where a request's body is while it may have to be sent again.
pub(super) struct Desk {
    shelf: Option<Arc<Mutex<Shelf>>>,
    /// `None` once the body has been taken whole, or is given up.
    ended: Option<oneshot::Receiver<()>>,
}

#[derive(Default)]
struct Shelf {
    /// `None` once it was taken back.
    sending: Option<Sending>,
    /// Why it could not be sent.
    fault: Option<SendFault>,
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lends a body to hyper.
pub(super) fn lend(sending: &mut Sending, stream: Arc<dyn Send + Sync>) -> (Outgoing, Desk) {
    let left = match sending.framing() {
        Framing::Unsaid => Some(0),
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    let shelf = (left != Some(0)).then(|| {
        let sending = Some(std::mem::take(sending));
        Arc::new(Mutex::new(Shelf { sending, fault: None }))
    });
    let (ended_here, ended) = oneshot::channel();
    let outgoing = Outgoing { source: shelf.clone(), left, _stream: stream, _ended: ended_here };
    (outgoing, Desk { shelf, ended: Some(ended) })
}

impl Desk {
    /// Ready when hyper has taken all of the body.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(ended) = &mut self.ended {
            let _ = ready!(Pin::new(ended).poll(cx));
            self.ended = None;
        }
        Poll::Ready(())
    }

    /// Takes the body back into `sending`; what hyper still has of it is over. Gives why it could
    /// not be sent, if that was so.
    pub(super) fn take_back(self, sending: &mut Sending) -> Option<SendFault> {
        let mut shelf = lock(self.shelf.as_deref()?);
        if let Some(taken) = shelf.sending.take() {
            *sending = taken;
        }
        shelf.fault.take()
    }
}

impl Outgoing {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, BoxError>> {
        let Some(shelf) = &self.source else { return Poll::Ready(Ok(None)) };
        let mut shelf = lock(shelf);
        let Some(sending) = &mut shelf.sending else {
            return Poll::Ready(Err(BodyError::Cancelled.into()));
        };
        let fault = match ready!(sending.poll_frame(cx)) {
            Err(fault) => fault,
            Ok(frame) if self.left.is_none() => return Poll::Ready(Ok(frame)),
            Ok(frame) => match (frame.as_ref().and_then(Frame::data_ref), &mut self.left) {
                (Some(data), Some(left)) if data.len() as u64 <= *left => {
                    *left -= data.len() as u64;
                    return Poll::Ready(Ok(frame));
                }
                (None, Some(0)) => return Poll::Ready(Ok(frame)),
                _ => SendFault::Length,
            },
        };
        shelf.fault = Some(fault);
        Poll::Ready(Err(BodyError::Cancelled.into()))
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let next = ready!(self.poll_next(cx));
        Poll::Ready(next.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
