//! A request on its way out, behind its head.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_net::{Error, ErrorKind};
use http_body::Frame;

use crate::BoxError;
use crate::h1::client::{SendFault, Sending};
use crate::h1::codec::encode::Framing;
use crate::h3::writing::Writing;

/// How the sending of a request ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// All of it has been taken.
    Whole,
    /// The server wants no more of it, or the connection has ended: what the server has to say is
    /// told where its response is read.
    NotWanted(Error),
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
    writing: Option<Writing>,
    sending: Sending,
    /// What `content-length` says is still to come, in bytes.
    left: Option<u64>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Body,
    /// All is queued, but for the end of the stream.
    Ending,
    /// There is a tunnel behind the head, or not: the response tells.
    Held,
}

/// What comes behind a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// The body, and the end.
    Body,
    /// Whatever the tunnel carries that the server agrees to.
    Tunnel,
}

impl Upload {
    /// Sends what `writing` has queued, and then what `sending` has.
    pub(super) fn new(writing: Writing, sending: &mut Sending, behind: Behind) -> Self {
        let (left, state) = match (behind, sending.framing()) {
            (Behind::Tunnel, _) => (None, State::Held),
            (Behind::Body, Framing::Unsaid) => (None, State::Ending),
            (Behind::Body, Framing::Chunked) => (None, State::Body),
            (Behind::Body, Framing::Length(length)) => (Some(length), State::Body),
        };
        let sending = std::mem::take(sending);
        Self { writing: Some(writing), sending, left, state }
    }

    /// Ready when it has ended, once with how.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Sent>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(None) };
        let sent = loop {
            if writing.is_full() {
                match ready!(writing.poll_flush(cx)) {
                    Ok(()) => {}
                    Err(error) => break unsent(error),
                }
            }
            match self.state {
                State::Body => {}
                State::Ending => match ready!(writing.poll_end(cx)) {
                    Ok(()) => break Sent::Whole,
                    Err(error) => break unsent(error),
                },
                State::Held => match ready!(writing.poll_flush(cx)) {
                    Ok(()) => return Poll::Pending,
                    Err(error) => break unsent(error),
                },
            }
            let Poll::Ready(frame) = self.sending.poll_frame(cx) else {
                match ready!(writing.poll_flush(cx)) {
                    Ok(()) => {}
                    Err(error) => break unsent(error),
                }
                // The server may want no more while the body waits.
                match ready!(writing.poll_stopped(cx)) {
                    Ok(Some(code)) => break unsent(ErrorKind::StreamStopped { code }.into()),
                    Ok(None) => return Poll::Pending,
                    Err(error) => break unsent(error),
                }
            };
            let frame = match frame {
                Ok(Some(frame)) => frame,
                Ok(None) if self.left.unwrap_or(0) > 0 => break Sent::Length,
                Ok(None) => {
                    self.state = State::Ending;
                    continue;
                }
                Err(SendFault::Body(error)) => break Sent::Body(error),
                Err(SendFault::Length) => break Sent::Length,
                Err(SendFault::Connection(error)) => break Sent::NotWanted(error),
            };
            match frame.into_data().map_err(Frame::into_trailers) {
                Ok(data) => {
                    if !count(&mut self.left, &data) {
                        break Sent::Length;
                    }
                    writing.data(data);
                }
                Err(_) if self.left.unwrap_or(0) > 0 => break Sent::Length,
                Err(Ok(trailers)) => {
                    writing.trailers(&trailers);
                    // Nothing comes after trailers.
                    self.state = State::Ending;
                }
                Err(Err(_)) => {}
            }
        };
        self.writing = None;
        Poll::Ready(Some(sent))
    }

    /// Sends the head alone. Ready when it has been taken, or cannot be.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Option<Sent>> {
        let Some(writing) = &mut self.writing else { return Poll::Ready(None) };
        let Err(error) = ready!(writing.poll_flush(cx)) else { return Poll::Ready(None) };
        self.writing = None;
        Poll::Ready(Some(unsent(error)))
    }

    /// The head is all there is to be sent before the response, and it has been taken.
    pub(super) fn awaits_response(&self) -> bool {
        self.state == State::Held && self.writing.as_ref().is_some_and(Writing::is_empty)
    }

    /// There is no tunnel: the request ends behind its head.
    pub(super) fn end(&mut self) {
        if self.state == State::Held {
            self.state = State::Ending;
        }
    }

    /// There is a tunnel: the sending half, where it is still good.
    pub(super) fn into_tunnel(self) -> Option<Writing> {
        self.writing
    }

    /// Sends no more, and breaks the stream off.
    pub(super) fn give_up(&mut self) {
        self.writing = None;
    }

    /// The body can be sent again from its beginning.
    pub(super) fn can_rewind(&self) -> bool {
        self.sending.can_rewind()
    }

    /// Gives the body back, for another try.
    pub(super) fn take_back(mut self, sending: &mut Sending) {
        self.give_up();
        *sending = self.sending;
    }
}

fn unsent(error: Error) -> Sent {
    match error.kind() {
        ErrorKind::TimedOut => Sent::TimedOut,
        _ => Sent::NotWanted(error),
    }
}

/// False when `data` is more than is left.
fn count(left: &mut Option<u64>, data: &Bytes) -> bool {
    let Some(left) = left else { return true };
    let rest = left.checked_sub(data.len() as u64);
    *left = rest.unwrap_or(0);
    rest.is_some()
}
