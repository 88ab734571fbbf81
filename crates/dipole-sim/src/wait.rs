//! The waiting of one side of a connection.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// An operation that waits, from its first pending poll to its end. Holds a timer only while it
/// waits for a time.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    state: State,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Idle,
    Waiting {
        deadline: Option<Instant>,
    },
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woke {
    /// A chunk that was under way is due.
    Due,
    /// The deadline has passed.
    Late,
}

impl Wait {
    /// The operation has ended, well or badly, or was given up.
    pub(crate) fn end(&mut self) {
        if let State::Waiting { .. } = self.state {
            *self = Self::default();
        }
    }

    /// Waits for the time `due`, or until `timeout` after the operation's first wait, whichever is
    /// sooner; for ever where there is neither.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        due: Option<Instant>,
        timeout: Option<Duration>,
    ) -> Poll<Woke> {
        let deadline = match self.state {
            State::Waiting { deadline } => deadline,
            State::Idle if timeout == Some(Duration::ZERO) => return Poll::Ready(Woke::Late),
            State::Idle => {
                // A deadline past the end of time is none.
                let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
                self.state = State::Waiting { deadline };
                deadline
            }
        };
        let Some(until) = [due, deadline].into_iter().flatten().min() else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        match timer.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) if deadline == Some(until) => Poll::Ready(Woke::Late),
            Poll::Ready(()) => Poll::Ready(Woke::Due),
        }
    }
}
