//! Sending a stream.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::StreamDeadline;
use dipole_net::{ErrorKind, Result, SendStream};

use crate::frame::LARGEST;
use crate::session::Handle;

/// A sending half.
pub(crate) struct MuxSend {
    handle: Arc<Handle>,
    id: u64,
    deadline: StreamDeadline,
}

impl MuxSend {
    pub(crate) fn new(handle: Arc<Handle>, id: u64) -> Self {
        Self { handle, id, deadline: StreamDeadline::default() }
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        take: impl FnOnce(usize) -> Bytes,
    ) -> Poll<Result<usize>> {
        let session = &self.handle.session;
        let written =
            session.with(|state, woken| state.write(self.id, length, take, cx.waker(), woken));
        let written = written.map_or(Poll::Pending, Poll::Ready);
        self.deadline.bound(cx, written, || Err(ErrorKind::TimedOut.into()))
    }
}

impl SendStream for MuxSend {
    fn id(&self) -> u64 {
        self.id
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>> {
        self.poll_take(cx, data.len(), |taken| Bytes::copy_from_slice(&data[..taken]))
    }

    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        self.poll_take(cx, data.len(), |taken| data.split_to(taken))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<Result<()>> {
        let closed = self.handle.session.with(|state, woken| state.close_send(self.id, woken));
        self.deadline.wake();
        Poll::Ready(closed)
    }

    fn cancel_write(&mut self, code: u64) {
        let (session, code) = (&self.handle.session, code.min(LARGEST));
        if session.with(|state, woken| state.cancel_write(self.id, code, woken)) {
            self.deadline.wake();
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>> {
        let session = &self.handle.session;
        let stopped = session.with(|state, _| state.stopped(self.id, cx.waker()));
        stopped.map_or(Poll::Pending, Poll::Ready)
    }

    fn set_write_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    fn set_priority(&mut self, _priority: i32) {
        // Streams take turns: there are no priorities.
    }
}

impl Drop for MuxSend {
    fn drop(&mut self) {
        self.handle.session.with(|state, woken| state.drop_send(self.id, woken));
    }
}
