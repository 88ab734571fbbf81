//! First come, first served.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;

/// Lets those that wait for a stream's credit through one after the other (S4).
#[derive(Debug, Default)]
pub struct Turnstile {
    waiting: AtomicUsize,
    turn: Mutex<()>,
}

impl Turnstile {
    /// True when nobody waits: then a call that does not wait may take what there is.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }

    /// Waits for `opened` after all that came before have what they wait for or have given up.
    ///
    /// # Cancel safety
    /// Dropping the future lets the next one through.
    pub async fn pass<T>(&self, opened: impl Future<Output = T>) -> T {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiter = Waiter { waiting: &self.waiting };
        // tokio's lock is first come, first served.
        let _turn = self.turn.lock().await;
        opened.await
    }
}

/// One that waits; counted until it is dropped.
struct Waiter<'a> {
    waiting: &'a AtomicUsize,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
