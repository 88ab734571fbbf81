//! The timeout of a connection's reads or writes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

/// One timer for each operation that waits: it starts with the first pending poll and spans the
/// operation (B9, B43). Without a timeout it costs nothing.
#[derive(Debug, Default)]
pub struct OperationTimer {
    timeout: Option<Duration>,
    running: Option<Pin<Box<Sleep>>>,
}

impl OperationTimer {
    /// Acts from the next operation on (B42).
    pub fn set(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// To be called when the operation is pending; ready when its time is up, and then the
    /// operation has ended.
    #[inline]
    pub fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.timeout.is_none() && self.running.is_none() {
            return Poll::Pending;
        }
        self.poll_running(cx)
    }

    /// To be called when the operation is ready or given up.
    #[inline]
    pub fn end(&mut self) {
        if self.running.is_some() {
            self.running = None;
        }
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.running.is_none() {
            let Some(timeout) = self.timeout else { return Poll::Pending };
            if timeout.is_zero() {
                return Poll::Ready(());
            }
            self.running = Some(Box::pin(tokio::time::sleep(timeout)));
        }
        if let Some(running) = &mut self.running {
            ready!(running.as_mut().poll(cx));
        }
        self.running = None;
        Poll::Ready(())
    }
}
