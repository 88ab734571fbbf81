//! An origin's HTTP/3 connections, beside those of the other versions.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};

use dipole_net::Addr;
use tokio::sync::Notify;

use super::{Origin, lock};
use crate::ClientError;
use crate::h3::client::{Link, LinkTask, Reserved};

/// HTTP/3 connections to one origin, and who makes the next.
#[derive(Default)]
pub(in crate::client) struct Lane {
    state: Mutex<State>,
    /// A connection has been made, has failed, or has room again.
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The oldest first.
    links: Vec<Way>,
    /// A connection is being made.
    is_dialling: bool,
    /// Attempts that are over, so that who has waited for one knows which.
    attempts: u64,
    /// Why the last one has failed; `None` when it has not, or was given up.
    failure: Option<ClientError>,
}

/// A connection, and where it goes.
struct Way {
    link: Arc<Link>,
    addr: Addr,
}

/// What a request gets that asks for HTTP/3.
enum Next {
    Stream(Reserved),
    /// The right to make a connection.
    Dial(Attempt),
    /// Another request makes one.
    Wait {
        attempts: u64,
    },
    /// No more connections are allowed: a stream of this one, later.
    Later(Arc<Link>),
    /// No connection is allowed.
    Full,
}

/// What a request has got that asked for HTTP/3.
pub(in crate::client) enum LaneTurn {
    /// A stream of a connection that was there.
    Stream(Reserved),
    /// The right to make a connection.
    Dial(Attempt),
}

/// The right to make a connection, and the place for it. Dropped, the place is free.
pub(in crate::client) struct Attempt {
    origin: Arc<Origin>,
    /// `None` once it has come to something.
    slot: Option<Slot>,
}

/// A place for an HTTP/3 connection, held by its task.
///
/// It does not keep the origin: the origin has the connection, which would then never end.
struct Slot {
    origin: Weak<Origin>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(origin) = self.origin.upgrade() {
            origin.freed_beside();
            origin.lane.changed.notify_waiters();
        }
    }
}

impl Lane {
    /// Nothing is kept here.
    pub(super) fn is_empty(&self) -> bool {
        let state = lock(&self.state);
        state.links.is_empty() && !state.is_dialling
    }
}

impl Origin {
    /// Waits for a stream of an HTTP/3 connection to `addr`, or for the right to make one. `None`
    /// when no connection is allowed at the moment.
    ///
    /// # Errors
    /// Why another request could not make the connection that this one has waited for.
    pub(in crate::client) async fn lane_turn(
        self: &Arc<Self>,
        addr: &Addr,
    ) -> Result<Option<LaneTurn>, ClientError> {
        loop {
            let mut changed = pin!(self.lane.changed.notified());
            changed.as_mut().enable();
            match self.next_in_lane(addr) {
                Next::Stream(stream) => return Ok(Some(LaneTurn::Stream(stream))),
                Next::Dial(attempt) => return Ok(Some(LaneTurn::Dial(attempt))),
                Next::Full => return Ok(None),
                Next::Wait { attempts } => {
                    changed.await;
                    let state = lock(&self.lane.state);
                    if state.attempts != attempts
                        && let Some(error) = &state.failure
                    {
                        return Err(error.clone());
                    }
                }
                Next::Later(link) => {
                    // A stream of it, or what else comes first.
                    let mut later = pin!(link.reserve_later());
                    let came = poll_fn(|cx| {
                        if let std::task::Poll::Ready(came) = later.as_mut().poll(cx) {
                            return std::task::Poll::Ready(came.ok());
                        }
                        changed.as_mut().poll(cx).map(|()| None)
                    });
                    if let Some(stream) = came.await {
                        return Ok(Some(LaneTurn::Stream(stream)));
                    }
                }
            }
        }
    }

    fn next_in_lane(self: &Arc<Self>, addr: &Addr) -> Next {
        let mut state = lock(&self.lane.state);
        let gone = state.prune();
        let ways = || state.links.iter().filter(|way| way.addr == *addr);
        let next = if let Some(stream) = ways().find_map(|way| way.link.reserve()) {
            Next::Stream(stream)
        } else if state.is_dialling {
            Next::Wait { attempts: state.attempts }
        } else if self.take_beside() {
            let slot = Some(Slot { origin: Arc::downgrade(self) });
            state.is_dialling = true;
            Next::Dial(Attempt { origin: Arc::clone(self), slot })
        } else if let Some(way) = ways().find(|way| !way.link.is_retired()) {
            Next::Later(Arc::clone(&way.link))
        } else {
            Next::Full
        };
        drop(state);
        drop(gone);
        next
    }
}

impl State {
    /// Gives up connections that take no more; their tasks have their places.
    fn prune(&mut self) -> Vec<Way> {
        let is_retired = |way: &Way| way.link.is_retired();
        if !self.links.iter().any(is_retired) {
            return Vec::new();
        }
        let (gone, links) = std::mem::take(&mut self.links).into_iter().partition(is_retired);
        self.links = links;
        gone
    }

    fn dialled(&mut self, failure: Option<ClientError>) {
        self.is_dialling = false;
        self.attempts += 1;
        self.failure = failure;
    }
}

impl Attempt {
    /// The connection is there; from now on its task has the place. `None` when it takes no
    /// request, not even one.
    pub(in crate::client) fn made(
        mut self,
        link: Link,
        task: LinkTask,
        addr: Addr,
    ) -> Option<Reserved> {
        task.spawn(self.slot.take());
        let link = Arc::new(link);
        let reserved = link.reserve();
        let mut state = lock(&self.origin.lane.state);
        state.dialled(None);
        state.links.push(Way { link, addr });
        drop(state);
        self.origin.lane.changed.notify_waiters();
        reserved
    }

    /// There is no connection.
    pub(in crate::client) fn failed(mut self, error: &ClientError) {
        lock(&self.origin.lane.state).dialled(Some(error.clone()));
        // Tells the others.
        self.slot = None;
    }
}

impl Drop for Attempt {
    /// Given up.
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            lock(&self.origin.lane.state).dialled(None);
            drop(slot);
        }
    }
}
