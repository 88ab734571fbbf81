//! Receiving a stream.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::{Arriving, StreamDeadline, broken_here};
use dipole_net::{Error, ErrorKind, Initiator, ReceiveStream, Result};
use quinn::ReadError;

use crate::conn::Ending;
use crate::error::{early_data_rejected, varint};

/// A receiving half on quinn.
pub(crate) struct QuinnReceive {
    inner: quinn::RecvStream,
    ending: Arc<Ending>,
    deadline: StreamDeadline,
    state: State,
    is_early_data: bool,
}

enum State {
    Open,
    /// Read ahead of its reader, to know that there is something.
    Begun(Bytes),
    /// The peer has ended it.
    Ended,
    /// One end has broken it off.
    Broken(Error),
}

impl QuinnReceive {
    pub(crate) fn new(inner: quinn::RecvStream, ending: Arc<Ending>, is_early_data: bool) -> Self {
        let (deadline, state) = (StreamDeadline::default(), State::Open);
        Self { inner, ending, deadline, state, is_early_data }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        match &mut self.state {
            State::Open => {}
            State::Begun(bytes) => {
                let bytes = std::mem::take(bytes);
                self.state = State::Open;
                return Poll::Ready(Ok(Some(bytes)));
            }
            State::Ended => return Poll::Ready(Ok(None)),
            State::Broken(error) => return Poll::Ready(Err(error.clone())),
        }
        let read = pin!(self.inner.read_chunk(usize::MAX, true)).poll(cx);
        read.map(|read| match read {
            Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
            Ok(None) => {
                self.state = State::Ended;
                Ok(None)
            }
            Err(error) => Err(self.error(error)),
        })
    }

    fn error(&mut self, error: ReadError) -> Error {
        let error = match error {
            ReadError::ConnectionLost(error) => return self.ending.error(error),
            ReadError::Reset(code) => {
                let (code, by) = (code.into_inner(), Initiator::Peer);
                Error::new(ErrorKind::StreamReset { code, by })
            }
            ReadError::ZeroRttRejected => early_data_rejected(),
            ReadError::ClosedStream | ReadError::IllegalOrderedRead => ErrorKind::Closed.into(),
        };
        self.state = State::Broken(error.clone());
        error
    }
}

impl Arriving for QuinnReceive {
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_next(cx) {
            Poll::Ready(Ok(Some(bytes))) => self.state = State::Begun(bytes),
            Poll::Ready(Ok(None)) => {}
            Poll::Ready(Err(_)) if matches!(self.state, State::Broken(_)) => {}
            // The connection's error comes to whoever accepts, not as a stream.
            Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(())
    }
}

impl ReceiveStream for QuinnReceive {
    fn id(&self) -> u64 {
        self.inner.id().into()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let read = self.poll_next(cx);
        self.deadline.bound(cx, read, || Err(ErrorKind::TimedOut.into()))
    }

    fn cancel_read(&mut self, code: u64) {
        if let State::Open | State::Begun(_) = self.state {
            // Refused when the peer has ended it meanwhile: then there is nothing to stop.
            drop(self.inner.stop(varint(code)));
            self.state = State::Broken(broken_here(code));
            self.deadline.wake();
        }
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    fn is_early_data(&self) -> bool {
        self.is_early_data
    }
}
