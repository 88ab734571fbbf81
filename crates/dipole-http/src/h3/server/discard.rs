//! What a handler has left unread of a request's body.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::arriving::{Told, stop};
use crate::h3::reading::Reading;

/// Reads the rest of a body and throws it away, up to a size; beyond it the client is asked to send
/// no more. Asking at once would do for HTTP/3, but not for Chromium: it looks at no answer before
/// it has sent its whole request, and waits in vain where it is stopped.
pub(super) struct Discard {
    told: Arc<Told>,
    unread: Option<Reading>,
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
            let left = self.unread.as_ref().and_then(Reading::left);
            if left.is_some_and(|left| left > self.most) {
                self.stop();
            }
        }
        let Some(unread) = &mut self.unread else { return Poll::Ready(()) };
        loop {
            match unread.poll_discard(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(length)) => match self.most.checked_sub(length as u64) {
                    Some(most) => self.most = most,
                    None => break,
                },
                // The end, or the client has broken it off.
                Poll::Ready(None) => {
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
            stop(unread);
        }
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        self.stop();
        self.told.end();
    }
}
