//! Sending a stream.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::{StreamDeadline, broken_here};
use dipole_net::{Error, ErrorKind, Result, SendStream};
use s2n_quic::stream::{Error as StreamError, SendStream as Inner};

use crate::conn::Shared;
use crate::ending::Ending;
use crate::error::application_code;
use crate::known::Window;

/// A piece up to this size is given to s2n-quic where it has any room at all, without a question
/// before: a stream may hold so much more than its `send_window`, in bytes.
const SMALL: usize = 4096;

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

enum State {
    Open,
    /// Ended in order; the peer may not have all of it yet.
    Closed(Arc<Ending>),
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
            State::Closed(_) => Err(ErrorKind::Closed.into()),
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

    /// True when all of so many bytes may be given to s2n-quic in one go.
    fn is_small(&self, length: usize) -> bool {
        length <= SMALL && self.window.room(self.taken) >= length as u64
    }

    /// Gives all of `data`, or nothing.
    fn poll_whole(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let length = data.len();
        let given = match inner.poll_send(data, cx) {
            Poll::Ready(Ok(())) => {
                self.taken += length as u64;
                Poll::Ready(Ok(length))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.error(error))),
            Poll::Pending => Poll::Pending,
        };
        self.deadline.bound(cx, given, || Err(ErrorKind::TimedOut.into()))
    }

    /// Takes from the front of `length` bytes what there is room for.
    fn poll_some(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        take: impl FnOnce(usize) -> Bytes,
    ) -> Poll<Result<usize>> {
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
        self.check()?;
        match data.len() {
            0 => Poll::Ready(Ok(0)),
            length if self.is_small(length) => {
                self.poll_whole(cx, &mut Bytes::copy_from_slice(data))
            }
            length => self.poll_some(cx, length, |room| Bytes::copy_from_slice(&data[..room])),
        }
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        self.check()?;
        match data.len() {
            0 => Poll::Ready(Ok(0)),
            length if self.is_small(length) => self.poll_whole(cx, data),
            length => self.poll_some(cx, length, |room| data.split_to(room)),
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        match &self.state {
            State::Open => {}
            State::Closed(_) => return Poll::Ready(Ok(())),
            State::Broken(error) => return Poll::Ready(Err(error.clone())),
        }
        match Ending::begin(&mut self.inner) {
            Ok(ending) => self.state = State::Closed(ending),
            Err(error) => return Poll::Ready(Err(self.error(error))),
        }
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
        match &self.state {
            State::Broken(_) => return Poll::Ready(Ok(self.stopped)),
            State::Closed(ending) => {
                return match ready!(ending.poll(cx)) {
                    Ok(()) => Poll::Ready(Ok(None)),
                    Err(error) => self.stopped_by(error),
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
        match (&self.state, &mut self.inner) {
            // s2n-quic would end an open stream in order, and what was cut short would look whole.
            (State::Open, Some(inner)) => _ = inner.reset(application_code(0)),
            (State::Closed(ending), _) => ending.leave(),
            _ => {}
        }
        self.shared.known().forget(self.id);
    }
}
