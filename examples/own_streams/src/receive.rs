//! Receiving a stream.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use dipole_io::StreamDeadline;
use dipole_net::{ErrorKind, ReceiveStream, Result};

use crate::frame::LARGEST;
use crate::session::Handle;

/// A receiving half.
pub(crate) struct MuxReceive {
    handle: Arc<Handle>,
    id: u64,
    deadline: StreamDeadline,
}

impl MuxReceive {
    pub(crate) fn new(handle: Arc<Handle>, id: u64) -> Self {
        Self { handle, id, deadline: StreamDeadline::default() }
    }
}

impl ReceiveStream for MuxReceive {
    fn id(&self) -> u64 {
        self.id
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let session = &self.handle.session;
        let read = session.with(|state, woken| state.read(self.id, cx.waker(), woken));
        let read = read.map_or(Poll::Pending, Poll::Ready);
        self.deadline.bound(cx, read, || Err(ErrorKind::TimedOut.into()))
    }

    fn cancel_read(&mut self, code: u64) {
        let (session, code) = (&self.handle.session, code.min(LARGEST));
        if session.with(|state, woken| state.cancel_read(self.id, code, woken)) {
            self.deadline.wake();
        }
    }

    fn set_read_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }
}

impl Drop for MuxReceive {
    fn drop(&mut self) {
        self.handle.session.with(|state, woken| state.drop_receive(self.id, woken));
    }
}
