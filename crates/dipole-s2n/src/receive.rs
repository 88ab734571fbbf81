//! Receiving a stream.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::{Arriving, StreamDeadline, broken_here};
use dipole_net::{Error, ErrorKind, Initiator, ReceiveStream, Result};
use s2n_quic::stream::{Error as StreamError, ReceiveStream as Inner};

use crate::conn::Shared;
use crate::error::application_code;

/// A receiving half on s2n-quic.
pub(crate) struct S2nReceive {
    inner: Inner,
    shared: Arc<Shared>,
    deadline: StreamDeadline,
    state: State,
}

enum State {
    Open,
    /// Read ahead of its reader, to know that there is something.
    Begun {
        first: Bytes,
        next: Next,
    },
    /// The peer has ended it.
    Ended,
    /// One end has broken it off.
    Broken(Error),
}

/// What comes after the first piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Open,
    Ended,
}

impl S2nReceive {
    pub(crate) fn new(inner: Inner, shared: Arc<Shared>) -> Self {
        let (deadline, state) = (StreamDeadline::default(), State::Open);
        Self { inner, shared, deadline, state }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        match &mut self.state {
            State::Open => {}
            State::Begun { first, next } => {
                let first = std::mem::take(first);
                self.state = match next {
                    Next::Open => State::Open,
                    Next::Ended => State::Ended,
                };
                return Poll::Ready(Ok(Some(first)));
            }
            State::Ended => return Poll::Ready(Ok(None)),
            State::Broken(error) => return Poll::Ready(Err(error.clone())),
        }
        let mut bytes = Bytes::new();
        match ready!(self.inner.poll_receive_vectored(std::slice::from_mut(&mut bytes), cx)) {
            // What is not open any more has ended in order: after a reset there is an error here.
            Ok((count, is_open)) => {
                if !is_open || count == 0 {
                    self.state = State::Ended;
                }
                Poll::Ready(Ok((count > 0).then_some(bytes)))
            }
            Err(error) => Poll::Ready(Err(self.error(error))),
        }
    }

    fn error(&mut self, error: StreamError) -> Error {
        let error = match error {
            StreamError::ConnectionError { error, .. } => {
                return self.shared.error(error);
            }
            StreamError::StreamReset { error, .. } => {
                let (code, by) = (u64::from(error), Initiator::Peer);
                Error::new(ErrorKind::StreamReset { code, by })
            }
            other => Error::with_source(ErrorKind::Closed, other),
        };
        self.state = State::Broken(error.clone());
        error
    }
}

impl Arriving for S2nReceive {
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.poll_next(cx)) {
            Ok(Some(first)) => {
                let next = if let State::Ended = self.state { Next::Ended } else { Next::Open };
                self.state = State::Begun { first, next };
            }
            Ok(None) => {}
            Err(_) if matches!(self.state, State::Broken(_)) => {}
            // The connection's error comes to whoever accepts, not as a stream.
            Err(_) => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl ReceiveStream for S2nReceive {
    fn id(&self) -> u64 {
        self.inner.id()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let read = self.poll_next(cx);
        self.deadline.bound(cx, read, || Err(ErrorKind::TimedOut.into()))
    }

    fn cancel_read(&mut self, code: u64) {
        if let State::Open | State::Begun { .. } = self.state {
            // Refused when the peer has ended it meanwhile: then there is nothing to stop.
            _ = self.inner.stop_sending(application_code(code));
            self.state = State::Broken(broken_here(code));
            self.deadline.wake();
        }
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }
}

impl Drop for S2nReceive {
    fn drop(&mut self) {
        if let State::Open | State::Begun { .. } = self.state {
            _ = self.inner.stop_sending(application_code(0));
        }
    }
}
