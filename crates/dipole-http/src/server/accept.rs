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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};

use super::connection::{self, Admitted};
use super::protocol::Protocols;
use super::pulse::Pulse;
use super::registry::{Phase, Place};
use super::swap::{Command, retire};
use super::{Admission, Worker};
use crate::{HttpService, ServerConfig};

/// After an error of accepting: the first wait, doubled up to the longest.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Where a worker lets in the connections of one address.
pub(super) struct Gate<S> {
    service: S,
    protocols: Arc<Protocols<S>>,
    listener: Box<dyn Listener>,
    worker: Arc<Worker>,
    place: Place,
    commands: mpsc::Receiver<Command>,
    pulse: Pulse,
}

impl<S: HttpService> Gate<S> {
    pub(super) fn new(
        service: S,
        protocols: Arc<Protocols<S>>,
        listener: Box<dyn Listener>,
        worker: Arc<Worker>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let place = worker.registry.join();
        let pulse = Pulse::default();
        Self { service, protocols, listener, worker, place, commands, pulse }
    }

    /// Accepts connections until the server drains; then the listener is dropped.
    pub(super) async fn run(mut self) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let (accepted, room) = match self.event().await {
                Event::End => return,
                Event::Retire => return self.empty().await,
                Event::Asked(command) => {
                    self.obey(command).await;
                    continue;
                }
                Event::Accepted(accepted, room) => (accepted, room),
            };
            match accepted {
                Ok(incoming) => {
                    backoff = FIRST_BACKOFF;
                    self.pulse.keep();
                    admit(incoming, &self.service, &self.protocols, &self.worker, room);
                }
                // The client gave up while it was queued.
                Err(error) if *error.kind() == ErrorKind::Reset => {}
                // Out of descriptors, mostly: wait until some connection has ended (L5).
                Err(error) => {
                    self.worker.counters.accept_errors.add_one();
                    tracing::warn!(%error, ?backoff, "cannot accept");
                    let wait = tokio::time::sleep(backoff);
                    if while_serving(&self.place, wait).await.is_none() {
                        return;
                    }
                    backoff = (2 * backoff).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    /// What happens next.
    async fn event(&mut self) -> Event {
        let Self { listener, worker, place, commands, pulse, .. } = self;
        let mut next = pin!(next(&mut **listener, &worker.limits));
        poll_fn(|cx| {
            place.settle(cx);
            pulse.poll(cx);
            match place.phase() {
                Phase::Serving => {}
                Phase::Retiring => return Poll::Ready(Event::Retire),
                Phase::Draining | Phase::Ending => return Poll::Ready(Event::End),
            }
            if let Poll::Ready(Some(command)) = commands.poll_recv(cx) {
                return Poll::Ready(Event::Asked(command));
            }
            next.as_mut().poll(cx).map(|(accepted, room)| Event::Accepted(accepted, room))
        })
        .await
    }

    async fn obey(&mut self, command: Command) {
        match command {
            #[cfg(unix)]
            Command::Share(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.listener.socket());
            }
            Command::GoOn(successor) => {
                self.empty().await;
                let worker =
                    self.worker.of_successor(Arc::clone(&successor.registry), successor.network);
                let older = std::mem::replace(&mut self.worker, worker);
                self.place = successor.registry.join();
                self.listener = successor.listener;
                tokio::spawn(retire(Arc::clone(&older.registry), older.config.retire_timeout));
                let _ = successor.done.send(());
            }
        }
    }

    /// Lets in those that the listener has taken out of the socket's queue already.
    async fn empty(&mut self) {
        self.listener.stop_accepting();
        let by = Instant::now() + LONGEST_BACKOFF;
        loop {
            let next = next(&mut *self.listener, &self.worker.limits);
            match timeout_at(by, next).await {
                Ok((Ok(incoming), room)) => {
                    admit(incoming, &self.service, &self.protocols, &self.worker, room)
                }
                Ok((Err(error), _)) if *error.kind() == ErrorKind::Closed => return,
                Ok((Err(error), _)) => tracing::debug!(%error, "lost while the listener changed"),
                Err(_) => {
                    tracing::warn!("the earlier listener did not end in time");
                    return;
                }
            }
        }
    }
}

/// What an accept loop waits for.
enum Event {
    /// The server drains.
    End,
    /// Another process goes on with the socket.
    Retire,
    Asked(Command),
    Accepted(Result<Incoming>, Option<OwnedSemaphorePermit>),
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
        if place.phase() >= Phase::Draining {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

fn admit<S: HttpService>(
    incoming: Incoming,
    service: &S,
    protocols: &Arc<Protocols<S>>,
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
    let (service, protocols) = (service.clone(), Arc::clone(protocols));
    match incoming.into_ready() {
        Ok(connection) => tokio::spawn(connection::run(connection, service, protocols, admitted)),
        Err(incoming) => {
            tokio::spawn(connection::shake_hands(incoming, service, protocols, admitted))
        }
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
