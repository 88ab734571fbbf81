//! A connection's one timer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// A deadline that moves with every request, over a timer that seldom does.
///
/// Moving the deadline later leaves the timer where it is: it fires early, sees that, and is set
/// again. So a request costs no timer operation.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The timer knows the task: it was polled since it was last set.
    is_armed: bool,
}

impl Deadline {
    /// `None` is no deadline.
    pub(crate) fn set(&mut self, at: Option<Instant>) {
        self.at = at;
    }

    /// Ready when the deadline has passed; of whichever task polls.
    pub(crate) fn poll_passed_for(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_armed = false;
        self.poll_passed(cx)
    }

    /// Ready when the deadline has passed. All its polls are of one task: a timer that is running
    /// is not told again whom to wake.
    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
            self.is_armed = false;
        }
        if self.is_armed && !timer.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            // A timer that is polled without budget wakes the task and is told nothing.
            self.is_armed = tokio::task::coop::has_budget_remaining();
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::time::Duration;

    use tokio::task::coop;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_passes_though_its_first_poll_had_no_budget() {
        let mut deadline = Deadline::default();
        deadline.set(Some(Instant::now() + Duration::from_secs(1)));
        let mut is_first = true;
        let passed = poll_fn(|cx| {
            while is_first && coop::has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(cx);
            }
            is_first = false;
            deadline.poll_passed(cx)
        });
        let waited = tokio::time::timeout(Duration::from_secs(60), passed).await;
        assert_eq!(waited, Ok(()));
    }
}
