//! The waiting of one operation.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes an operation when it is to look again. Holds a timer only where it waits for a time.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready when it is time to look again: at `until`, or sooner, never later; pending for ever
    /// where there is no such time.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, until: Option<Instant>) -> Poll<()> {
        let Some(until) = until else {
            self.0 = None;
            return Poll::Pending;
        };
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // One that is early is left as it is: mostly it is put off before it comes.
        if timer.is_elapsed() || timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }

    /// The operation has ended.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

/// Until when the operations of one half of a stream may wait.
#[derive(Debug, Default)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn set(&mut self, deadline: Option<std::time::Instant>) {
        self.0 = deadline.map(Instant::from_std);
    }

    pub(crate) fn is_past(&self) -> bool {
        self.0.is_some_and(|deadline| deadline <= Instant::now())
    }

    pub(crate) fn at(&self) -> Option<Instant> {
        self.0
    }
}
