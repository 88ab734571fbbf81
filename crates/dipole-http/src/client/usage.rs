//! How much a connection of many streams is used, and for how long it may be.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Known to a connection's task and to those who use the connection.
pub(crate) struct Usage {
    idle_timeout: Duration,
    max_age: Option<Duration>,
    born: Instant,
    state: Mutex<State>,
}

struct State {
    streams: usize,
    /// When the last stream ended.
    idle_since: Instant,
    /// No new stream may begin.
    is_retired: bool,
}

impl Usage {
    /// Of a new connection, which may be without a stream for `idle_timeout`, and takes new ones
    /// for `max_age`; `None`: for ever.
    pub(crate) fn new(idle_timeout: Duration, max_age: Option<Duration>) -> Self {
        let born = Instant::now();
        let state = Mutex::new(State { streams: 0, idle_since: born, is_retired: false });
        Self { idle_timeout, max_age, born, state }
    }

    /// Counts a stream more, to be ended by [`end_stream`](Self::end_stream). False when `max` are
    /// under way, or no new one may begin.
    pub(crate) fn begin_stream(&self, max: usize) -> bool {
        let mut state = self.lock();
        let may = !self.is_over(&state) && state.streams < max.max(1);
        state.streams += usize::from(may);
        may
    }

    /// Counts a stream more, which is there already.
    pub(crate) fn add_stream(&self) {
        self.lock().streams += 1;
    }

    pub(crate) fn end_stream(&self) {
        let mut state = self.lock();
        state.streams -= 1;
        state.idle_since = Instant::now();
    }

    /// No new stream may begin; those that run go on.
    pub(crate) fn retire(&self) {
        self.lock().is_retired = true;
    }

    /// No new stream may begin.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_over(&self.lock())
    }

    /// Ends, and retires the connection, when it has been without a stream for its idle timeout.
    pub(crate) async fn unused(&self) {
        let mut since = self.born;
        loop {
            sleep_until(since + self.idle_timeout).await;
            let mut state = self.lock();
            let now = Instant::now();
            since = if state.streams == 0 { state.idle_since } else { now };
            if now >= since + self.idle_timeout {
                state.is_retired = true;
                return;
            }
        }
    }

    fn is_over(&self, state: &State) -> bool {
        state.is_retired || self.max_age.is_some_and(|age| self.born.elapsed() >= age)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
