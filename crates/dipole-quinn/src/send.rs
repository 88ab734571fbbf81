//! Sending a stream.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::{StreamDeadline, broken_here};
use dipole_net::{Error, ErrorKind, Result, SendStream};
use quinn::{StoppedError, VarInt, WriteError};

use crate::conn::Ending;
use crate::error::{early_data_rejected, varint};

/// A sending half on quinn.
pub(crate) struct QuinnSend {
    inner: quinn::SendStream,
    ending: Arc<Ending>,
    deadline: StreamDeadline,
    state: State,
    stopped: Stopped,
}

#[derive(Debug)]
enum State {
    Open,
    /// Ended in order.
    Closed,
    /// One end has broken it off.
    Broken(Error),
}

enum Stopped {
    Unasked,
    Asked(Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send>>),
    Known(Option<u64>),
}

impl QuinnSend {
    pub(crate) fn new(inner: quinn::SendStream, ending: Arc<Ending>) -> Self {
        let (deadline, state) = (StreamDeadline::default(), State::Open);
        Self { inner, ending, deadline, state, stopped: Stopped::Unasked }
    }

    /// `Ok` when it may still be written to.
    fn check(&self) -> Result<()> {
        match &self.state {
            State::Open => Ok(()),
            State::Closed => Err(ErrorKind::Closed.into()),
            State::Broken(error) => Err(error.clone()),
        }
    }

    fn error(&mut self, error: WriteError) -> Error {
        let error = match error {
            WriteError::ConnectionLost(error) => return self.ending.error(error),
            WriteError::Stopped(code) => {
                let code = code.into_inner();
                self.stopped = Stopped::Known(Some(code));
                Error::new(ErrorKind::StreamStopped { code })
            }
            WriteError::ZeroRttRejected => early_data_rejected(),
            WriteError::ClosedStream => ErrorKind::Closed.into(),
        };
        self.state = State::Broken(error.clone());
        error
    }

    fn bound(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<Result<usize, WriteError>>,
    ) -> Poll<Result<usize>> {
        let written = written.map(|written| written.map_err(|error| self.error(error)));
        self.deadline.bound(cx, written, || Err(ErrorKind::TimedOut.into()))
    }
}

impl SendStream for QuinnSend {
    fn id(&self) -> u64 {
        self.inner.id().into()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        self.check()?;
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = pin!(self.inner.write(data)).poll(cx);
        self.bound(cx, written)
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        self.check()?;
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let written = pin!(self.inner.write_chunks(std::slice::from_mut(data))).poll(cx);
        self.bound(cx, written.map_ok(|written| written.bytes))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &self.state {
            State::Open => {}
            State::Closed => return Poll::Ready(Ok(())),
            State::Broken(error) => return Poll::Ready(Err(error.clone())),
        }
        // quinn's `finish` does not tell that the peer has stopped the stream; a write does.
        let probe = pin!(self.inner.write(&[])).poll(cx);
        if let Poll::Ready(Err(error)) = probe {
            return Poll::Ready(Err(self.error(error)));
        }
        // Refused only when it is finished already.
        drop(self.inner.finish());
        self.state = State::Closed;
        self.deadline.wake();
        Poll::Ready(Ok(()))
    }

    fn cancel_write(&mut self, code: u64) {
        if let State::Open = self.state {
            // Refused when the peer has stopped it meanwhile: then it is broken off already.
            drop(self.inner.reset(varint(code)));
            self.state = State::Broken(broken_here(code));
            self.deadline.wake();
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        loop {
            match &mut self.stopped {
                Stopped::Known(code) => return Poll::Ready(Ok(*code)),
                Stopped::Unasked => self.stopped = Stopped::Asked(Box::pin(self.inner.stopped())),
                Stopped::Asked(asked) => match ready!(asked.as_mut().poll(cx)) {
                    Ok(code) => self.stopped = Stopped::Known(code.map(VarInt::into_inner)),
                    Err(error) => {
                        self.stopped = Stopped::Unasked;
                        return Poll::Ready(Err(match error {
                            StoppedError::ConnectionLost(error) => self.ending.error(error),
                            StoppedError::ZeroRttRejected => early_data_rejected(),
                        }));
                    }
                },
            }
        }
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    fn set_priority(&mut self, priority: i32) {
        // Refused when the stream has ended: then nothing of it is to be sent.
        drop(self.inner.set_priority(priority));
    }
}

impl Drop for QuinnSend {
    fn drop(&mut self) {
        // quinn would end an open stream in order, and what was cut short would look whole.
        if let State::Open = self.state {
            drop(self.inner.reset(VarInt::from_u32(0)));
        }
    }
}
