//! Sending a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dipole_io::StreamDeadline;
use dipole_net::{Error, ErrorKind, Result, SendStream};
use s2n_quic::stream::{Error as StreamError, SendStream as Inner};
use tokio::time::Sleep;

use crate::conn::Shared;
use crate::error::{application_code, broken_here};

/// s2n-quic tells of a stop only whoever writes or flushes; with nothing to flush it is looked for
/// so often.
const LOOK: Duration = Duration::from_millis(20);

/// A sending half on s2n-quic.
pub(crate) struct S2nSend {
    inner: Inner,
    shared: Arc<Shared>,
    deadline: StreamDeadline,
    state: State,
    stopped: Option<u64>,
    look: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum State {
    Open,
    /// Ended in order.
    Closed,
    /// One end has broken it off.
    Broken(Error),
}

impl S2nSend {
    pub(crate) fn new(inner: Inner, shared: Arc<Shared>) -> Self {
        let (deadline, state) = (StreamDeadline::default(), State::Open);
        Self { inner, shared, deadline, state, stopped: None, look: None }
    }

    /// `Ok` when it may still be written to.
    fn check(&self) -> Result<()> {
        match &self.state {
            State::Open => Ok(()),
            State::Closed => Err(ErrorKind::Closed.into()),
            State::Broken(error) => Err(error.clone()),
        }
    }

    fn error(&mut self, error: StreamError) -> Error {
        let error = match error {
            StreamError::ConnectionError { error, .. } => return self.shared.error(error),
            // This end's own resets are known, so it is the answer to a stop.
            StreamError::StreamReset { error, .. } => {
                let code = u64::from(error);
                self.stopped = Some(code);
                Error::new(ErrorKind::StreamStopped { code })
            }
            other => Error::with_source(ErrorKind::Closed, other),
        };
        self.state = State::Broken(error.clone());
        error
    }

    /// Takes from the front of `length` bytes what there is room for.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        take: impl FnOnce(usize) -> Bytes,
    ) -> Poll<Result<usize>> {
        self.check()?;
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let room = match self.inner.poll_send_ready(cx) {
            Poll::Ready(Ok(room)) => room,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(self.error(error))),
            Poll::Pending => {
                ready!(self.deadline.poll_elapsed(cx));
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
        };
        self.deadline.end();
        let data = take(room.min(length));
        let taken = data.len();
        match self.inner.send_data(data) {
            Ok(()) => Poll::Ready(Ok(taken)),
            Err(error) => Poll::Ready(Err(self.error(error))),
        }
    }
}

impl SendStream for S2nSend {
    fn id(&self) -> u64 {
        self.inner.id()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        self.poll_take(cx, data.len(), |room| Bytes::copy_from_slice(&data[..room]))
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        self.poll_take(cx, data.len(), |room| data.split_to(room))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        match &self.state {
            State::Open => {}
            State::Closed => return Poll::Ready(Ok(())),
            State::Broken(error) => return Poll::Ready(Err(error.clone())),
        }
        if let Err(error) = self.inner.finish() {
            return Poll::Ready(Err(self.error(error)));
        }
        self.state = State::Closed;
        self.deadline.wake();
        Poll::Ready(Ok(()))
    }

    fn cancel_write(&mut self, code: u64) {
        if let State::Open = self.state {
            // Refused when the peer has stopped it meanwhile: then it is broken off already.
            _ = self.inner.reset(application_code(code));
            self.state = State::Broken(broken_here(code));
            self.deadline.wake();
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        loop {
            match &self.state {
                State::Broken(_) => return Poll::Ready(Ok(self.stopped)),
                State::Closed => {
                    return match ready!(self.inner.poll_close(cx)) {
                        Ok(()) => Poll::Ready(Ok(None)),
                        Err(error) => match self.error(error) {
                            _ if self.stopped.is_some() => Poll::Ready(Ok(self.stopped)),
                            error => Poll::Ready(Err(error)),
                        },
                    };
                }
                State::Open => {}
            }
            // A look at the state; a waker is kept where there is no room.
            if let Poll::Ready(Err(error)) = self.inner.poll_send_ready(cx) {
                match self.error(error) {
                    _ if self.stopped.is_some() => return Poll::Ready(Ok(self.stopped)),
                    error => return Poll::Ready(Err(error)),
                }
            }
            let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK)));
            ready!(look.as_mut().poll(cx));
            self.look = None;
        }
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    fn set_priority(&mut self, _: i32) {}
}

impl Drop for S2nSend {
    fn drop(&mut self) {
        // s2n-quic would end an open stream in order, and what was cut short would look whole.
        if let State::Open = self.state {
            _ = self.inner.reset(application_code(0));
        }
    }
}
