//! A timer that is due before those of connections.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Shorter than what connections are given by default for anything.
const BEAT: Duration = Duration::from_secs(1);

/// Runs while connections come.
///
/// A timer that is due before all others makes tokio interrupt its own wait, by a system call and
/// a turn for nothing. Where connections are short that would be so for the handshake and for the
/// end of each; beside this one it is not.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    timer: Option<Pin<Box<Sleep>>>,
    /// A connection has come since the last beat.
    is_wanted: bool,
}

impl Pulse {
    /// A connection has come.
    pub(super) fn keep(&mut self) {
        self.is_wanted = true;
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(BEAT)));
    }

    /// To be called by the task that has it, whenever that is polled.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        while let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            if std::mem::take(&mut self.is_wanted) {
                timer.as_mut().reset(Instant::now() + BEAT);
            } else {
                self.timer = None;
            }
        }
    }
}
