//! How long to wait.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Waits for so long at most, once it has begun to. Without a limit it costs nothing.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl Patience {
    /// `None` is no limit.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, timer: None, is_running: false }
    }

    /// Ready when the time is over; it begins with the first poll.
    pub(crate) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.is_running {
            self.is_running = true;
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }

    /// What was waited for has come; the next wait begins anew.
    pub(crate) fn renew(&mut self) {
        self.is_running = false;
    }
}
