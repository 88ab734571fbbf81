//! So many connections, so many bytes, so much time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use dipole_net::{Closer, Conn, Error, ErrorKind, Result};
use tokio::time::Sleep;

use crate::{Around, Layer, Origin, Surrounded, Ticket, Wrapped};

/// A layer that bounds connections: how many there are at once, what each may move, how long it may
/// live. Clones share the number of connections. Without any bound said it has none.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Limit {
    connections: Option<usize>,
    received: Option<u64>,
    sent: Option<u64>,
    lifetime: Option<Duration>,
    places: Arc<Places>,
}

impl Limit {
    /// Without any bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most `connections` at once, over all that use this value and its clones. Beyond them
    /// accepting waits until one ends, and a dial fails with `Exhausted`, which is temporary.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
        self
    }

    /// A connection that has received more than `bytes` is closed: its calls fail with `Closed`.
    pub fn received(mut self, bytes: u64) -> Self {
        self.received = Some(bytes);
        self
    }

    /// A flush that would bring what was sent above `bytes` fails with `Closed`, and sends nothing.
    pub fn sent(mut self, bytes: u64) -> Self {
        self.sent = Some(bytes);
        self
    }

    /// A connection that is as old as this is closed when it next waits, or while it does.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

impl Layer for Limit {
    fn wrap(&self, conn: Box<dyn Conn>, _: Origin, ticket: Ticket) -> Wrapped {
        let bounded = Bounded {
            received: self.received,
            sent: self.sent,
            ends: self.lifetime.map(|lifetime| Box::pin(tokio::time::sleep(lifetime))),
            closer: None,
            _ticket: ticket,
        };
        Wrapped::Ready(Box::new(Surrounded::new(conn, bounded)))
    }

    fn poll_admit(&self, cx: &mut Context<'_>) -> Poll<Ticket> {
        let mut state = self.places.lock();
        if self.connections.is_some_and(|most| state.taken >= most) {
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        state.taken += 1;
        Poll::Ready(Ticket::new(Place(self.places.clone())))
    }

    fn admit_dial(&self) -> Result<Ticket> {
        let mut state = self.places.lock();
        if self.connections.is_some_and(|most| state.taken >= most) {
            let text = format!("there are {} connections already", state.taken);
            return Err(Error::with_message(ErrorKind::Exhausted, text));
        }
        state.taken += 1;
        Ok(Ticket::new(Place(self.places.clone())))
    }
}

#[derive(Debug, Default)]
struct Places {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// Listeners that wait for a place.
    waiting: Vec<Waker>,
}

impl Places {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place that is taken.
struct Place(Arc<Places>);

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.taken -= 1;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}

struct Bounded {
    received: Option<u64>,
    sent: Option<u64>,
    /// When it is too old.
    ends: Option<Pin<Box<Sleep>>>,
    /// The inner connection's, where its age is bounded: either side's wait may be the one that
    /// lasts too long, and both end then.
    closer: Option<Closer>,
    _ticket: Ticket,
}

impl Bounded {
    /// Closes the connection when it is too old; otherwise it is woken when it will be.
    fn check_age(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) {
        let Some(ends) = &mut self.ends else { return };
        let closer = self.closer.get_or_insert_with(|| inner.closer());
        if ends.as_mut().poll(cx).is_ready() {
            closer.close();
            self.ends = None;
        }
    }
}

impl Around for Bounded {
    fn poll_fill(
        &mut self,
        inner: &mut dyn Conn,
        cx: &mut Context<'_>,
        n: usize,
    ) -> Poll<Result<()>> {
        self.check_age(inner, cx);
        let polled = inner.poll_fill(cx, n);
        if self.received.is_some_and(|most| inner.stats().received > most) {
            inner.close();
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        polled
    }

    fn poll_flush(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check_age(inner, cx);
        let after = inner.stats().sent + inner.queued() as u64;
        if self.sent.is_some_and(|most| after > most) {
            inner.close();
        }
        inner.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, inner: &mut dyn Conn, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.check_age(inner, cx);
        let after = inner.stats().sent + inner.queued() as u64;
        if self.sent.is_some_and(|most| after > most) {
            inner.close();
        }
        inner.poll_shutdown(cx)
    }
}
