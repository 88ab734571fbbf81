//! What a listener gives: a connection, or the promise of one.

use std::fmt;

use crate::{Addr, BoxFuture, Conn, Result, StreamConn};

/// A connection of either kind.
#[non_exhaustive]
pub enum Connection {
    /// One ordered stream of bytes each way.
    Bytes(Box<dyn Conn>),
    /// Many streams.
    Streams(Box<dyn StreamConn>),
}

impl Connection {
    /// The byte stream; `None` when the connection carries streams.
    #[must_use]
    pub fn into_bytes(self) -> Option<Box<dyn Conn>> {
        match self {
            Self::Bytes(conn) => Some(conn),
            Self::Streams(_) => None,
        }
    }

    /// The connection of streams; `None` when it is one byte stream.
    #[must_use]
    pub fn into_streams(self) -> Option<Box<dyn StreamConn>> {
        match self {
            Self::Streams(conn) => Some(conn),
            Self::Bytes(_) => None,
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(conn) => f.debug_tuple("Bytes").field(conn).finish(),
            Self::Streams(conn) => f.debug_tuple("Streams").field(&conn.peer_addr()).finish(),
        }
    }
}

/// A connection that has arrived but may still have a handshake before it.
///
/// The handshake runs in [`accept`](Self::accept), off the accept loop, so that a silent client
/// delays nobody (L4). Dropping it refuses the connection; no byte was read from it (L8).
pub struct Incoming {
    peer: Addr,
    step: Step,
}

enum Step {
    Ready(Connection),
    Handshake(BoxFuture<'static, Result<Connection>>),
}

impl Incoming {
    /// A connection that needs no handshake.
    #[must_use]
    pub fn ready(peer: Addr, connection: Connection) -> Self {
        Self { peer, step: Step::Ready(connection) }
    }

    /// A connection that is usable once `handshake` has ended. The future MUST do nothing before
    /// it is first polled but hold the connection, and MUST close it when dropped.
    #[must_use]
    pub fn handshake(peer: Addr, handshake: BoxFuture<'static, Result<Connection>>) -> Self {
        Self { peer, step: Step::Handshake(handshake) }
    }

    /// Who connects, as the listener sees it.
    #[must_use]
    pub fn peer_addr(&self) -> &Addr {
        &self.peer
    }

    /// The connection, when it needs no handshake.
    ///
    /// # Errors
    /// Not a fault: what was given, when it has a handshake before it.
    pub fn into_ready(self) -> Result<Connection, Self> {
        match self.step {
            Step::Ready(connection) => Ok(connection),
            Step::Handshake(_) => Err(self),
        }
    }

    /// Does the handshake, if there is one.
    ///
    /// # Errors
    /// What the handshake ended with; the connection is closed then.
    pub async fn accept(self) -> Result<Connection> {
        match self.step {
            Step::Ready(connection) => Ok(connection),
            Step::Handshake(handshake) => handshake.await,
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("peer", &self.peer).finish_non_exhaustive()
    }
}
