//! Sending a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::{StreamDeadline, broken_here};
use dipole_net::{Error, ErrorKind, Result, SendStream};
use s2n_quic::stream::{Error as StreamError, SendStream as Inner};
use tokio::sync::oneshot;

use crate::conn::Shared;
use crate::error::application_code;
use crate::known::Window;

/// A sending half on s2n-quic.
pub(crate) struct S2nSend {
    id: u64,
    /// `None` once it has ended in order.
    inner: Option<Inner>,
    shared: Arc<Shared>,
    deadline: StreamDeadline,
    state: State,
    stopped: Option<u64>,
    /// How far the peer lets it go. s2n-quic would take more, and name that as the stream's size when
    /// it is broken off, which the peer has to take for a violation of its limit.
    window: Arc<Window>,
    taken: u64,
}

#[derive(Debug)]
enum State {
    Open,
    /// Ended in order; the peer may not have all of it yet.
    Closed(oneshot::Receiver<Result<(), StreamError>>),
    /// Ended in order, and the peer has all of it.
    Whole,
    /// One end has broken it off.
    Broken(Error),
}

impl S2nSend {
    pub(crate) fn new(inner: Inner, shared: Arc<Shared>) -> Self {
        let (deadline, state) = (StreamDeadline::default(), State::Open);
        let id = inner.id();
        let window = shared.known().window(id);
        let inner = Some(inner);
        Self { id, inner, shared, deadline, state, stopped: None, window, taken: 0 }
    }

    /// `Ok` when it may still be written to.
    fn check(&self) -> Result<()> {
        match &self.state {
            State::Open => Ok(()),
            State::Closed(_) | State::Whole => Err(ErrorKind::Closed.into()),
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

    fn stopped_by(&mut self, error: StreamError) -> Poll<Result<Option<u64>>> {
        let error = self.error(error);
        match self.stopped {
            Some(code) => Poll::Ready(Ok(Some(code))),
            None => Poll::Ready(Err(error)),
        }
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
        let room = match self.poll_room(cx) {
            Poll::Ready(room) => room?,
            Poll::Pending => {
                ready!(self.deadline.poll_elapsed(cx));
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
        };
        self.deadline.end();
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let data = take(room.min(length));
        let taken = data.len();
        match inner.send_data(data) {
            Ok(()) => {
                self.taken += taken as u64;
                Poll::Ready(Ok(taken))
            }
            Err(error) => Poll::Ready(Err(self.error(error))),
        }
    }

    /// How much s2n-quic has room for and the peer allows; never nothing.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let held = match ready!(inner.poll_send_ready(cx)) {
            Ok(room) => room,
            Err(error) => return Poll::Ready(Err(self.error(error))),
        };
        let allowed = ready!(self.window.poll_room(cx, self.taken));
        Poll::Ready(Ok(held.min(usize::try_from(allowed).unwrap_or(usize::MAX))))
    }
}

impl SendStream for S2nSend {
    fn id(&self) -> u64 {
        self.id
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
            State::Closed(_) | State::Whole => return Poll::Ready(Ok(())),
            State::Broken(error) => return Poll::Ready(Err(error.clone())),
        }
        let Some(mut inner) = self.inner.take() else { return Poll::Ready(Ok(())) };
        if let Err(error) = inner.finish() {
            self.inner = Some(inner);
            return Poll::Ready(Err(self.error(error)));
        }
        // s2n-quic counts a stream as open until somebody has seen that the peer has all of it (S6).
        // The task ends then, or with the connection.
        let (tell, whole) = oneshot::channel();
        tokio::spawn(async move { tell.send(inner.close().await) });
        self.state = State::Closed(whole);
        self.deadline.wake();
        Poll::Ready(Ok(()))
    }

    fn cancel_write(&mut self, code: u64) {
        if let State::Open = self.state {
            if let Some(inner) = &mut self.inner {
                // Refused when the peer has stopped it meanwhile: then it is broken off already.
                _ = inner.reset(application_code(code));
            }
            self.state = State::Broken(broken_here(code));
            self.deadline.wake();
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        match &mut self.state {
            State::Whole => return Poll::Ready(Ok(None)),
            State::Broken(_) => return Poll::Ready(Ok(self.stopped)),
            State::Closed(whole) => {
                return match ready!(Pin::new(whole).poll(cx)) {
                    Ok(Ok(())) => {
                        self.state = State::Whole;
                        Poll::Ready(Ok(None))
                    }
                    Ok(Err(error)) => self.stopped_by(error),
                    // Its runtime has ended.
                    Err(_) => Poll::Ready(Err(ErrorKind::Closed.into())),
                };
            }
            State::Open => {}
        }
        // Before the look: s2n-quic keeps a waker only where there is no room.
        self.window.watch(cx);
        match self.inner.as_mut().map(|inner| inner.poll_send_ready(cx)) {
            Some(Poll::Ready(Err(error))) => self.stopped_by(error),
            _ => Poll::Pending,
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
        if let (State::Open, Some(inner)) = (&self.state, &mut self.inner) {
            _ = inner.reset(application_code(0));
        }
        self.shared.known().forget(self.id);
    }
}
