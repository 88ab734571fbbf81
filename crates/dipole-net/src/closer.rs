//! Closing a connection from elsewhere.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use crate::Side;

/// Closes a connection that somebody else is waiting on (B44).
///
/// Its clones are one handle. The owner of the connection gives it away; the library under the
/// connection looks at it on each poll.
#[derive(Clone, Default)]
pub struct Closer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Closer {
    /// A handle of a connection that is open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes the connection: whatever waits on it ends with `Closed`. Twice is fine. The
    /// connection's descriptor goes back when its owner next uses or drops it.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        let wakers =
            std::mem::take(&mut *self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// True after `close`.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// For libraries: remembers who waits on `side`, in place of whoever did before. Gives true
    /// when the connection is closed already, and then nobody will be woken.
    #[must_use]
    pub fn register(&self, side: Side, waker: &Waker) -> bool {
        let mut wakers = self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut wakers[side as usize];
        match place {
            Some(known) => known.clone_from(waker),
            None => *place = Some(waker.clone()),
        }
        drop(wakers);
        // Looked at after the waker is stored: a close before the store is seen here, a close
        // after it finds the waker.
        self.is_closed()
    }
}

impl fmt::Debug for Closer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closer").field("closed", &self.is_closed()).finish()
    }
}
