//! First come, first served.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::sync::Mutex;

/// Lets those that wait for a stream's credit through one after the other (S4).
#[derive(Debug, Default)]
pub struct Turnstile {
    waiting: AtomicUsize,
    turn: Mutex<()>,
}

impl Turnstile {
    /// What `opened` gives without waiting; `None` when it would wait, or others do already.
    pub fn at_once<T>(&self, opened: impl Future<Output = T>) -> Option<T> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        match pin!(opened).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(opened) => Some(opened),
            Poll::Pending => None,
        }
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
