//! The accept loop, and who is let in.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use dipole_net::{Addr, ErrorKind, Incoming, Listener, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{self, Admitted};
use super::registry::{Phase, Place};
use super::{Admission, Worker};
use crate::{HttpService, ServerConfig};

/// After an error of accepting: the first wait, doubled up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Accepts connections until the server drains; then the listener is dropped.
pub(super) async fn run<S: HttpService>(
    mut listener: Box<dyn Listener>,
    service: S,
    worker: Arc<Worker>,
    place: Place,
) {
    poll_fn(|cx| {
        place.settle(cx);
        Poll::Ready(())
    })
    .await;
    let mut backoff = FIRST_BACKOFF;
    loop {
        let next = next(&mut *listener, &worker.limits);
        let Some((accepted, room)) = while_serving(&place, next).await else { return };
        match accepted {
            Ok(incoming) => {
                backoff = FIRST_BACKOFF;
                admit(incoming, &service, &worker, room);
            }
            // The client gave up while it was queued.
            Err(error) if *error.kind() == ErrorKind::Reset => {}
            // Out of descriptors, mostly: wait until some connection has ended (L5).
            Err(error) => {
                worker.counters.accept_errors.add_one();
                tracing::warn!(%error, ?backoff, "cannot accept");
                let wait = tokio::time::sleep(backoff);
                if while_serving(&place, wait).await.is_none() {
                    return;
                }
                backoff = (2 * backoff).min(LONGEST_BACKOFF);
            }
        }
    }
}

/// The next connection, and room for it.
///
/// While none has come no room is held: there may be another listener that has one.
async fn next(
    listener: &mut dyn Listener,
    limits: &Limits,
) -> (Result<Incoming>, Option<OwnedSemaphorePermit>) {
    let mut waiting = pin!(Some(limits.room()));
    poll_fn(|cx| {
        if waiting.is_none() {
            waiting.set(Some(limits.room()));
        }
        let Some(room) = waiting.as_mut().as_pin_mut() else { return Poll::Pending };
        let room = ready!(room.poll(cx));
        waiting.set(None);
        listener.poll_accept(cx).map(|accepted| (accepted, room))
    })
    .await
}

/// `None` as soon as the server drains.
async fn while_serving<F: Future>(place: &Place, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if place.phase() > Phase::Serving {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

fn admit<S: HttpService>(
    incoming: Incoming,
    service: &S,
    worker: &Arc<Worker>,
    room: Option<OwnedSemaphorePermit>,
) {
    let peer = incoming.peer_addr();
    let is_refused = worker.hooks.on_accept.as_ref().is_some_and(|hook| {
        // A hook that panics refuses its connection: the accept loop goes on.
        let admission = catch_unwind(AssertUnwindSafe(|| hook(peer)));
        admission.unwrap_or(Admission::Refuse) == Admission::Refuse
    });
    let seat = if is_refused { None } else { worker.limits.seat(peer, room) };
    let Some(seat) = seat else {
        worker.counters.refused.add_one();
        return;
    };
    let admitted = Admitted::new(worker, seat);
    match incoming.into_ready() {
        Ok(connection) => tokio::spawn(connection::run(connection, service.clone(), admitted)),
        Err(incoming) => tokio::spawn(connection::shake_hands(incoming, service.clone(), admitted)),
    };
}

/// The limits on connections, over all workers.
pub(super) struct Limits {
    connections: Option<Arc<Semaphore>>,
    per_peer: Option<PeerLimit>,
}

struct PeerLimit {
    most: usize,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Limits {
    pub(super) fn new(config: &ServerConfig) -> Self {
        let connections = config
            .max_connections
            .map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
        let per_peer =
            config.max_connections_per_peer.map(|most| PeerLimit { most, counts: Arc::default() });
        Self { connections, per_peer }
    }

    /// Waits until one more connection may be accepted; `None` is room without a limit.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        let connections = self.connections.as_ref()?;
        Arc::clone(connections).acquire_owned().await.ok()
    }

    /// A connection's share of the limits; `None` when its peer has too many already.
    fn seat(&self, peer: &Addr, room: Option<OwnedSemaphorePermit>) -> Option<Option<Box<Seat>>> {
        let share = match (&self.per_peer, peer.ip()) {
            (Some(limit), Some(peer)) => Some(limit.share(peer.ip())?),
            _ => None,
        };
        if room.is_none() && share.is_none() {
            return Some(None);
        }
        Some(Some(Box::new(Seat { _room: room, _share: share })))
    }
}

impl PeerLimit {
    fn share(&self, peer: IpAddr) -> Option<PeerShare> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(PeerShare { peer, counts: Arc::clone(&self.counts) })
    }
}

/// What a connection takes of the limits; given back when dropped.
pub(super) struct Seat {
    _room: Option<OwnedSemaphorePermit>,
    _share: Option<PeerShare>,
}

struct PeerShare {
    peer: IpAddr,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for PeerShare {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}
