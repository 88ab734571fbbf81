//! What the reads and the writes of a connection have alike.

use std::task::{Context, Poll};
use std::time::Duration;

use dipole_net::Error;

use crate::OperationTimer;

/// One half of a connection: the timeout of its operations, and why it is over once it is.
#[derive(Debug, Default)]
pub struct Half {
    timer: OperationTimer,
    over: Option<Error>,
}

impl Half {
    /// Why it is over, to be given again each time; `None` while it is not.
    #[inline]
    #[must_use]
    pub fn over(&self) -> Option<&Error> {
        self.over.as_ref()
    }

    /// Is over for good, and gives why: what was said first counts.
    #[cold]
    pub fn fail(&mut self, error: Error) -> Error {
        self.timer.end();
        self.over.get_or_insert(error).clone()
    }

    /// Acts from the next operation on (B42); `None` is no timeout.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timer.set(timeout);
    }

    /// To be called when the operation is pending; ready when its time is up, and then the
    /// operation has ended.
    #[inline]
    pub fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll_elapsed(cx)
    }

    /// To be called when the operation is ready or given up.
    #[inline]
    pub fn end(&mut self) {
        self.timer.end();
    }
}
