//! The halves of a stream.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use dipole_net::{ErrorKind, ReceiveStream, Result, SendStream};

use crate::streams::conn::Handle;
use crate::streams::path::sooner;
use crate::streams::session::Look;
use crate::streams::waiting::{Alarm, Deadline};

/// A sending half.
pub(crate) struct SimSend {
    handle: Arc<Handle>,
    id: u64,
    deadline: Deadline,
    writing: Alarm,
    stopping: Alarm,
}

/// A receiving half.
pub(crate) struct SimReceive {
    handle: Arc<Handle>,
    id: u64,
    deadline: Deadline,
    reading: Alarm,
}

impl SimSend {
    pub(crate) fn new(handle: Arc<Handle>, id: u64) -> Self {
        let (writing, stopping) = Default::default();
        Self { handle, id, deadline: Deadline::default(), writing, stopping }
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        mut take: impl FnMut(usize) -> Bytes,
    ) -> Poll<Result<usize>> {
        let Handle { session, end } = &*self.handle;
        loop {
            let at = match session.write(*end, self.id, length, &mut take, cx.waker()) {
                Look::Ready(written) => {
                    self.writing.end();
                    return Poll::Ready(written);
                }
                Look::Waits(at) => at,
            };
            if self.deadline.is_past() {
                self.writing.end();
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            if self.writing.poll(cx, sooner(at, self.deadline.at())).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl SendStream for SimSend {
    fn id(&self) -> u64 {
        self.id
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        let mut rest = data;
        self.poll_take(cx, data.len(), |length| {
            let (taken, left) = rest.split_at(length);
            rest = left;
            Bytes::copy_from_slice(taken)
        })
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        self.poll_take(cx, data.len(), |length| data.split_to(length))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(self.handle.session.finish(self.handle.end, self.id))
    }

    fn cancel_write(&mut self, code: u64) {
        self.handle.session.cancel_write(self.handle.end, self.id, code.min(LARGEST_CODE));
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        let Handle { session, end } = &*self.handle;
        loop {
            match session.stopped(*end, self.id, cx.waker()) {
                Look::Ready(stopped) => {
                    self.stopping.end();
                    return Poll::Ready(stopped);
                }
                Look::Waits(at) if self.stopping.poll(cx, at).is_pending() => {
                    return Poll::Pending;
                }
                Look::Waits(_) => {}
            }
        }
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
        self.handle.session.wake(self.handle.end, self.id);
    }

    /// Nothing waits for its turn here: what is written is on its way at once.
    fn set_priority(&mut self, _: i32) {}
}

impl Drop for SimSend {
    fn drop(&mut self) {
        self.cancel_write(0);
        self.handle.session.drop_half(self.id);
    }
}

impl SimReceive {
    pub(crate) fn new(handle: Arc<Handle>, id: u64) -> Self {
        Self { handle, id, deadline: Deadline::default(), reading: Alarm::default() }
    }
}

impl ReceiveStream for SimReceive {
    fn id(&self) -> u64 {
        self.id
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let Handle { session, end } = &*self.handle;
        loop {
            let at = match session.read(*end, self.id, cx.waker()) {
                Look::Ready(read) => {
                    self.reading.end();
                    return Poll::Ready(read);
                }
                Look::Waits(at) => at,
            };
            if self.deadline.is_past() {
                self.reading.end();
                return Poll::Ready(Err(ErrorKind::TimedOut.into()));
            }
            if self.reading.poll(cx, sooner(at, self.deadline.at())).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn cancel_read(&mut self, code: u64) {
        self.handle.session.cancel_read(self.handle.end, self.id, code.min(LARGEST_CODE));
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
        self.handle.session.wake(self.handle.end, self.id);
    }
}

impl Drop for SimReceive {
    fn drop(&mut self) {
        self.cancel_read(0);
        self.handle.session.drop_half(self.id);
    }
}

/// RFC 9000 section 16.
pub(crate) const LARGEST_CODE: u64 = (1 << 62) - 1;
