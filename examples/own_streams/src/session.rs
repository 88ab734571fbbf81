//! One end of a connection under its lock, and those who wait for it.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use dipole_io::Turnstile;
use dipole_net::{Addr, Error, ErrorKind, Initiator, TlsInfo};
use tokio::sync::Notify;

use crate::frame::{Close, LARGEST};
use crate::leaving::cut;
use crate::state::{Queue, State, Woken};

/// One end of a connection, shared by its handles and its task.
#[derive(Debug)]
pub(crate) struct Session {
    state: Mutex<State>,
    queues: [Notify; 5],
    pub(crate) turnstiles: [Turnstile; 2],
    pub(crate) local: Addr,
    pub(crate) peer: Addr,
    pub(crate) tls: Option<TlsInfo>,
}

/// The connection in its user's hands: the last handle closes it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) session: Arc<Session>,
}

impl Session {
    pub(crate) fn new(state: State, local: Addr, peer: Addr, tls: Option<TlsInfo>) -> Arc<Self> {
        let queues = Queue::ALL.map(|_| Notify::new());
        let (state, turnstiles) = (Mutex::new(state), Default::default());
        Arc::new(Self { state, queues, turnstiles, local, peer, tls })
    }

    /// Does something to the state; whoever that concerns looks again afterwards.
    pub(crate) fn with<T>(&self, action: impl FnOnce(&mut State, &mut Woken) -> T) -> T {
        let mut woken = Woken::default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = action(&mut state, &mut woken);
        drop(state);
        woken.wakers.into_iter().for_each(|waker| waker.wake());
        let queues = self.queues.iter().zip(woken.queues);
        queues.filter(|(_, is_woken)| *is_woken).for_each(|(queue, _)| queue.notify_waiters());
        result
    }

    /// Waits until `look` finds something; it looks again whenever `queue` is woken.
    pub(crate) async fn wait<T>(
        &self,
        queue: Queue,
        mut look: impl FnMut(&mut State, &mut Woken) -> Option<T>,
    ) -> T {
        loop {
            let mut woken = pin!(self.queues[queue.index()].notified());
            // Before looking, so that nothing is missed in between.
            woken.as_mut().enable();
            if let Some(found) = self.with(&mut look) {
                return found;
            }
            woken.await;
        }
    }

    /// Ends the connection here, and tells the peer.
    pub(crate) fn close(&self, code: u64, reason: &[u8]) {
        let (code, reason) = (code.min(LARGEST), cut(reason));
        let farewell = Close::Application { code, reason: reason.clone() };
        let kind = ErrorKind::Application { code, reason, by: Initiator::Local };
        self.with(|state, woken| state.end(Error::new(kind), Some(farewell), woken));
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.session.close(0, b"");
    }
}
