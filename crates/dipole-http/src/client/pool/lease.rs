//! A place among an origin's connections, taken for as long as one is used.

use std::sync::{Arc, Weak};

use dipole_net::Conn;
use tokio::time::Instant;

use super::origin::{Origin, Spoken};
use crate::ClientError;
use crate::h1::client::Keep;
use crate::h2::client::{Link, LinkTask};

/// A place for an HTTP/1.1 connection that one request uses. Dropped, the place is free, and the
/// connection is closed.
pub(in crate::client) struct Lease {
    /// `None` once the connection was given back.
    origin: Option<Arc<Origin>>,
    /// When the connection was made.
    born: Instant,
}

impl Lease {
    pub(super) fn new(origin: Arc<Origin>, born: Instant) -> Self {
        Self { origin: Some(origin), born }
    }
}

impl Keep for Lease {
    fn keep(mut self, conn: Box<dyn Conn>) {
        if let Some(origin) = self.origin.take() {
            origin.keep(conn, self.born);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(origin) = &self.origin {
            origin.freed();
        }
    }
}

/// A place for an HTTP/2 connection, held by its task.
///
/// It does not keep the origin: the origin has the connection, which would then never end.
struct Slot {
    origin: Weak<Origin>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(origin) = self.origin.upgrade() {
            origin.freed();
        }
    }
}

/// One request's stream of an HTTP/2 connection, for as long as it is open.
pub(in crate::client) struct Stream {
    origin: Arc<Origin>,
    link: Arc<Link>,
}

impl Stream {
    /// A stream that the link has counted already.
    pub(super) fn new(origin: Arc<Origin>, link: Arc<Link>) -> Self {
        Self { origin, link }
    }

    pub(in crate::client) fn link(&self) -> &Link {
        &self.link
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.link.end_stream();
        self.origin.wake_first();
    }
}

/// The right to make a connection, and the place for it. Dropped, the place is free.
pub(in crate::client) struct Dialling {
    /// `None` once it has come to something.
    origin: Option<Arc<Origin>>,
    /// Others wait for what becomes of it.
    is_awaited: bool,
}

impl Dialling {
    pub(super) fn new(origin: Arc<Origin>, is_awaited: bool) -> Self {
        Self { origin: Some(origin), is_awaited }
    }

    /// The connection is there and speaks HTTP/1.1.
    pub(in crate::client) fn speaks_http1(mut self) -> Lease {
        if let Some(origin) = &self.origin {
            origin.dialled(self.is_awaited, Some(Spoken::Http1));
        }
        Lease { origin: self.origin.take(), born: Instant::now() }
    }

    /// The connection is there, and is one request's alone: it tells nothing about others.
    pub(in crate::client) fn stands_apart(mut self) -> Lease {
        Lease { origin: self.origin.take(), born: Instant::now() }
    }

    /// The connection is there and speaks HTTP/2; from now on its task has the place. `None` when
    /// it takes no request, not even one.
    pub(in crate::client) fn speaks_http2(mut self, link: Link, task: LinkTask) -> Option<Stream> {
        let origin = self.origin.take()?;
        task.spawn(Slot { origin: Arc::downgrade(&origin) });
        let link = Arc::new(link);
        let has_begun = link.begin_stream();
        origin.add(Arc::clone(&link), self.is_awaited);
        has_begun.then(|| Stream::new(origin, link))
    }

    /// There is no connection.
    pub(in crate::client) fn failed(mut self, error: &ClientError) {
        if let Some(origin) = self.origin.take() {
            origin.dial_failed(self.is_awaited, error);
        }
    }
}

impl Drop for Dialling {
    /// Given up.
    fn drop(&mut self) {
        if let Some(origin) = self.origin.take() {
            origin.dialled(self.is_awaited, None);
            origin.freed();
        }
    }
}
