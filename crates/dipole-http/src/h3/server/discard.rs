//! What a handler has left unread of a request's body.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::arriving::{Told, Unread};

/// Reads the rest of a body and throws it away, up to a size; beyond it the client is asked to send
/// no more. Asking at once would do for HTTP/3, but not for Chromium: it looks at no answer before
/// it has sent its whole request, and waits in vain where it is stopped.
pub(super) struct Discard {
    told: Arc<Told>,
    unread: Option<Unread>,
    /// How much more is read.
    most: u64,
}

impl Discard {
    pub(super) fn new(told: Arc<Told>, most: u64) -> Self {
        Self { told, unread: None, most }
    }

    /// Ready when nothing is to be thrown away, for now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unread.is_none() {
            self.unread = self.told.take_unread();
            let left = self.unread.as_ref().and_then(|unread| unread.left);
            if left.is_some_and(|left| left > self.most) {
                self.stop();
            }
        }
        let Some(unread) = &mut self.unread else { return Poll::Ready(()) };
        loop {
            match unread.receive.poll_read(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(bytes))) => match self.most.checked_sub(bytes.len() as u64) {
                    Some(most) => self.most = most,
                    None => break,
                },
                // The end, or the client has broken it off.
                Poll::Ready(Ok(None) | Err(_)) => {
                    self.unread = None;
                    return Poll::Ready(());
                }
            }
        }
        self.stop();
        Poll::Ready(())
    }

    /// What is still to come after the answer, for as long as `limit`.
    pub(super) async fn rest(mut self, limit: Duration) {
        _ = tokio::time::timeout(limit, poll_fn(|cx| self.poll(cx))).await;
    }

    fn stop(&mut self) {
        if let Some(unread) = self.unread.take() {
            unread.stop();
        }
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        self.stop();
        self.told.end();
    }
}
