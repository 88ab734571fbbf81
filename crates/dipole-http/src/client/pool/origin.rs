//! One origin: who gets which connection, and when a new one is made.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use dipole_net::{Conn, Side};
use tokio::time::Instant;

use super::queue::{Queue, Ticket};
use super::{Dialling, Lane, Lease, Settings, Stream, lock};
use crate::ClientError;
use crate::client::route::Target;
use crate::h2::client::Link;

/// One origin: where it is, and the connections to it.
pub(in crate::client) struct Origin {
    pub(in crate::client) target: Target,
    settings: Settings,
    state: Mutex<State>,
    /// HTTP/3 connections.
    pub(super) lane: Lane,
}

#[derive(Default)]
struct State {
    /// The one that waits for the longest time first.
    idle: Vec<Idle>,
    /// HTTP/2 connections, the oldest first.
    links: Vec<Arc<Link>>,
    /// Connections that are open or being made.
    places: usize,
    /// Those of HTTP/3, which count towards the same limit.
    places_beside: usize,
    /// A connection is being made that others wait for.
    is_dial_awaited: bool,
    /// What the last new connection spoke.
    spoken: Option<Spoken>,
    queue: Queue,
}

/// What a connection turned out to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

struct Idle {
    conn: Box<dyn Conn>,
    born: Instant,
    since: Instant,
}

/// What a request may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum Preference {
    /// The connection that was used last, if there is one.
    Kept,
    /// A connection that has never been used, or HTTP/2.
    Fresh,
    /// A connection of its own, to be made.
    Own,
}

/// What a request gets when it is its turn.
pub(in crate::client) enum Turn {
    /// A connection that waited.
    Kept(Box<dyn Conn>, Lease),
    /// A stream of a connection.
    Stream(Stream),
    /// The right to make a connection.
    Dial(Dialling),
}

/// A turn as long as the state is locked.
enum Next {
    Kept(Idle),
    Stream(Arc<Link>),
    Dial { is_awaited: bool },
}

impl Origin {
    pub(in crate::client) fn new(target: Target, settings: Settings) -> Self {
        Self { target, settings, state: Mutex::default(), lane: Lane::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        let state = lock(&self.state);
        state.idle.is_empty() && state.links.is_empty() && self.lane.is_empty()
    }

    /// Waits until it is the request's turn.
    pub(in crate::client) async fn turn(
        self: &Arc<Self>,
        preference: Preference,
    ) -> Result<Turn, ClientError> {
        let mut place = Place { origin: self, ticket: None };
        std::future::poll_fn(|cx| place.poll(preference, cx)).await
    }

    /// A connection can take another request.
    pub(super) fn keep(&self, mut conn: Box<dyn Conn>, born: Instant) {
        conn.release();
        let now = Instant::now();
        let is_too_old = self.settings.max_age.is_some_and(|age| now - born >= age);
        if self.settings.max_idle == 0 || is_too_old {
            drop(conn);
            return self.freed();
        }
        let mut state = lock(&self.state);
        // The oldest goes when there are too many, and all that have waited for too long.
        let expired = state.expired(&self.settings, now);
        let surplus = (state.idle.len() + 1).saturating_sub(self.settings.max_idle);
        let gone = state.let_go(expired.max(surplus));
        state.idle.push(Idle { conn, born, since: now });
        let waker = state.queue.first();
        drop(state);
        // Closed without the lock.
        drop(gone);
        wake(waker);
    }

    /// A connection has ended.
    pub(super) fn freed(&self) {
        let mut state = lock(&self.state);
        state.places -= 1;
        let gone = state.prune();
        let waker = state.queue.first();
        drop(state);
        drop(gone);
        wake(waker);
    }

    /// Takes a place for an HTTP/3 connection, to be given back by `freed_beside`. False when there
    /// are as many connections as are allowed.
    pub(super) fn take_beside(&self) -> bool {
        let mut state = lock(&self.state);
        let mut gone = Vec::new();
        if state.is_full(&self.settings) {
            if state.idle.is_empty() {
                return false;
            }
            gone = state.let_go(1);
        }
        state.places_beside += 1;
        drop(state);
        drop(gone);
        true
    }

    /// An HTTP/3 connection has ended.
    pub(super) fn freed_beside(&self) {
        let mut state = lock(&self.state);
        state.places_beside -= 1;
        let waker = state.queue.first();
        drop(state);
        wake(waker);
    }

    /// The first that waits looks whether it is their turn.
    pub(super) fn wake_first(&self) {
        let waker = lock(&self.state).queue.first();
        wake(waker);
    }

    /// A dial is over; what was spoken, if it has come to a connection.
    pub(super) fn dialled(&self, is_awaited: bool, spoken: Option<Spoken>) {
        let mut state = lock(&self.state);
        if is_awaited {
            state.is_dial_awaited = false;
        }
        state.spoken = spoken.or(state.spoken);
        let waker = state.queue.first();
        drop(state);
        wake(waker);
    }

    /// A dial has come to an HTTP/2 connection.
    pub(super) fn add(&self, link: Arc<Link>, is_awaited: bool) {
        lock(&self.state).links.push(link);
        self.dialled(is_awaited, Some(Spoken::Http2));
    }

    /// A dial has come to nothing: those who have waited for it wait in vain.
    pub(super) fn dial_failed(&self, is_awaited: bool, error: &ClientError) {
        let mut state = lock(&self.state);
        state.places -= 1;
        let mut wakers = Vec::new();
        if is_awaited {
            state.is_dial_awaited = false;
            // With a connection left they wait for one of its streams.
            if state.places == 0 {
                wakers = state.queue.send_away(error);
            }
        }
        let waker = state.queue.first();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        wake(waker);
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A request that looks for its turn. Dropped, it leaves the queue.
struct Place<'a> {
    origin: &'a Arc<Origin>,
    ticket: Option<Ticket>,
}

impl Place<'_> {
    fn poll(
        &mut self,
        preference: Preference,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Turn, ClientError>> {
        loop {
            let mut state = lock(&self.origin.state);
            let is_first = match self.ticket {
                Some(ticket) if state.queue.is_in_vain(ticket) => {
                    self.ticket = None;
                    let verdict = state.queue.leave(ticket);
                    return match verdict {
                        Some(error) => Poll::Ready(Err(error)),
                        None => continue,
                    };
                }
                Some(ticket) => state.queue.is_first(ticket),
                None => state.queue.is_empty(),
            };
            let mut gone = state.prune();
            let next = if is_first { state.next(preference, self.origin, &mut gone) } else { None };
            let Some(next) = next else {
                match self.ticket {
                    Some(ticket) => state.queue.stay(ticket, cx.waker()),
                    None => self.ticket = Some(state.queue.join(cx.waker().clone())),
                }
                drop(state);
                drop(gone);
                return Poll::Pending;
            };
            let mut waker = None;
            if let Some(ticket) = self.ticket.take() {
                state.queue.leave(ticket);
                // There may be enough for the next one, too.
                waker = state.queue.first();
            }
            drop(state);
            drop(gone);
            wake(waker);
            if let Some(turn) = next.into_turn(self.origin, cx) {
                return Poll::Ready(Ok(turn));
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = lock(&self.origin.state);
        state.queue.leave(ticket);
        let waker = state.queue.first();
        drop(state);
        wake(waker);
    }
}

impl State {
    fn next(&mut self, preference: Preference, origin: &Origin, gone: &mut Gone) -> Option<Next> {
        let settings = &origin.settings;
        if preference != Preference::Own
            && let Some(link) = self.links.iter().find(|link| link.begin_stream())
        {
            return Some(Next::Stream(Arc::clone(link)));
        }
        if preference == Preference::Kept
            && let Some(idle) = self.idle.pop()
        {
            return Some(Next::Kept(idle));
        }
        let is_awaited = preference != Preference::Own
            && origin.target.may_share()
            && self.spoken != Some(Spoken::Http1);
        if is_awaited && self.is_dial_awaited {
            return None;
        }
        if self.is_full(settings) {
            // One that nobody uses makes room.
            if self.idle.is_empty() {
                return None;
            }
            gone.conns.extend(self.let_go(1));
        }
        self.places += 1;
        self.is_dial_awaited |= is_awaited;
        Some(Next::Dial { is_awaited })
    }

    fn is_full(&self, settings: &Settings) -> bool {
        let places = self.places + self.places_beside;
        settings.max_connections.is_some_and(|max| places >= max.max(1))
    }

    /// How many have waited for too long.
    fn expired(&self, settings: &Settings, now: Instant) -> usize {
        self.idle.partition_point(|one| now - one.since >= settings.idle_timeout)
    }

    /// Gives up those that wait for the longest time.
    fn let_go(&mut self, count: usize) -> Vec<Idle> {
        self.places -= count;
        self.idle.drain(..count).collect()
    }

    /// Gives up HTTP/2 connections that take no more; their tasks have their places.
    fn prune(&mut self) -> Gone {
        let mut gone = Gone::default();
        if self.links.iter().any(|link| link.is_retired()) {
            let (retired, links) =
                std::mem::take(&mut self.links).into_iter().partition(|link| link.is_retired());
            self.links = links;
            gone.links = retired;
        }
        gone
    }
}

/// Connections to be dropped once the lock is free.
#[derive(Default)]
struct Gone {
    conns: Vec<Idle>,
    links: Vec<Arc<Link>>,
}

impl Next {
    /// `None` when the connection was not good any more.
    fn into_turn(self, origin: &Arc<Origin>, cx: &mut Context<'_>) -> Option<Turn> {
        let Idle { mut conn, born, since } = match self {
            Self::Kept(idle) => idle,
            Self::Stream(link) => {
                return Some(Turn::Stream(Stream::new(Arc::clone(origin), link)));
            }
            Self::Dial { is_awaited } => {
                return Some(Turn::Dial(Dialling::new(Arc::clone(origin), is_awaited)));
            }
        };
        let lease = Lease::new(Arc::clone(origin), born);
        let settings = &origin.settings;
        let is_expired = since.elapsed() >= settings.idle_timeout
            || settings.max_age.is_some_and(|age| born.elapsed() >= age);
        // A connection that has ended, or has bytes that nobody asked for, is ready to be read.
        if is_expired || conn.poll_fill(cx, 1).is_ready() {
            return None;
        }
        conn.abandon(Side::Read);
        Some(Turn::Kept(conn, lease))
    }
}
