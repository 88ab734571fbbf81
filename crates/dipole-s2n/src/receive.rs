//! Receiving a stream.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::StreamDeadline;
use dipole_net::{Error, ErrorKind, Initiator, ReceiveStream, Result};
use s2n_quic::stream::{Error as StreamError, ReceiveStream as Inner};

use crate::conn::Shared;
use crate::error::{application_code, broken_here, connection_error};

/// A receiving half on s2n-quic.
pub(crate) struct S2nReceive {
    inner: Option<Inner>,
    /// `None` until somebody has accepted it.
    shared: Option<Arc<Shared>>,
    deadline: StreamDeadline,
    state: State,
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

impl S2nReceive {
    pub(crate) fn new(inner: Inner, shared: Option<Arc<Shared>>) -> Self {
        let (deadline, state) = (StreamDeadline::default(), State::Open);
        Self { inner: Some(inner), shared, deadline, state }
    }

    /// Keeps the connection open from now on.
    pub(crate) fn hold(&mut self, shared: Arc<Shared>) {
        self.shared = Some(shared);
    }

    /// This half, out of a place that is to be dropped.
    pub(crate) fn take(&mut self) -> Self {
        let state = std::mem::replace(&mut self.state, State::Ended);
        let (inner, shared) = (self.inner.take(), self.shared.take());
        Self { inner, shared, deadline: StreamDeadline::default(), state }
    }

    /// Ready when the stream has data, its end or a reset, which is kept for its reader.
    pub(crate) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(self.poll_next(cx)) {
            Ok(Some(bytes)) => self.state = State::Begun(bytes),
            Ok(None) => {}
            Err(_) if matches!(self.state, State::Broken(_)) => {}
            // The connection's error comes to whoever accepts, not as a stream.
            Err(_) => return Poll::Pending,
        }
        Poll::Ready(())
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
        let Some(inner) = &mut self.inner else { return Poll::Ready(Ok(None)) };
        inner.poll_receive(cx).map(|read| match read {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => {
                self.state = State::Ended;
                Ok(None)
            }
            Err(error) => Err(self.error(error)),
        })
    }

    fn error(&mut self, error: StreamError) -> Error {
        let error = match error {
            StreamError::ConnectionError { error, .. } => {
                return match &self.shared {
                    Some(shared) => shared.error(error),
                    None => connection_error(error, None),
                };
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

impl ReceiveStream for S2nReceive {
    fn id(&self) -> u64 {
        self.inner.as_ref().map_or(0, Inner::id)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let read = self.poll_next(cx);
        self.deadline.bound(cx, read, || Err(ErrorKind::TimedOut.into()))
    }

    fn cancel_read(&mut self, code: u64) {
        if let State::Open | State::Begun(_) = self.state {
            if let Some(inner) = &mut self.inner {
                // Refused when the peer has ended it meanwhile: then there is nothing to stop.
                _ = inner.stop_sending(application_code(code));
            }
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
        if let (State::Open | State::Begun(_), Some(inner)) = (&self.state, &mut self.inner) {
            _ = inner.stop_sending(application_code(0));
        }
    }
}
