//! The PROXY protocol, both roles (its specification: versions 1 and 2, of 2020).

mod header;
mod v1;
mod v2;

use std::time::Duration;

use dipole_net::{Addr, Conn, ConnExt, ConnStats, Error, ErrorKind, Result};
use tokio::time::timeout;

use self::header::{Header, Parsed};
use crate::{Around, Layer, Origin, Surrounded, Ticket, Wrapped};

/// A layer by which a proxy tells the next server who its client is.
///
/// As [`announce`](Self::announce) it goes over a dialer and writes a header in front of each
/// dialled connection. As [`expect`](Self::expect) it goes over a transport, reads the header of
/// each accepted connection, and has `peer_addr` and `local_addr` say what the header says. A
/// connection without a right header is closed: whoever may connect without a proxy connects
/// elsewhere, for anybody could claim any address otherwise.
///
/// The hook that sees an address before any byte sees the proxy's; the later one the client's.
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    role: Role,
}

#[derive(Debug, Clone)]
enum Role {
    Announce(ProxyVersion, Announcement),
    Expect { within: Duration },
}

/// The header's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

/// Whom a header names as the client, and as the server that the client has dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announcement {
    /// This process itself: it speaks for nobody (a health check, say).
    Own,
    /// These two.
    Proxied {
        /// The client.
        client: Addr,
        /// The address that the client has dialled.
        server: Addr,
    },
}

impl ProxyProtocol {
    /// Writes a header in front of each dialled connection. A pair of addresses that the version has
    /// no form for (two families, Unix sockets in version 1) is announced as unknown.
    #[must_use]
    pub fn announce(version: ProxyVersion, announcement: Announcement) -> Self {
        Self { role: Role::Announce(version, announcement) }
    }

    /// Reads the header of each accepted connection, of either version, `within` this time.
    #[must_use]
    pub fn expect(within: Duration) -> Self {
        Self { role: Role::Expect { within } }
    }
}

impl Layer for ProxyProtocol {
    fn wrap(&self, conn: Box<dyn Conn>, origin: Origin, ticket: Ticket) -> Wrapped {
        match (&self.role, origin) {
            (Role::Announce(version, announcement), Origin::Dialed) => {
                let header = match announcement {
                    Announcement::Own => Header::Own,
                    Announcement::Proxied { client, server } => {
                        Header::Proxied { client: client.clone(), server: server.clone() }
                    }
                };
                let bytes = match version {
                    ProxyVersion::V1 => v1::encode(&header),
                    ProxyVersion::V2 => v2::encode(&header),
                };
                Wrapped::Handshake(Box::pin(announce(conn, bytes, ticket)))
            }
            (Role::Expect { within }, Origin::Accepted) => {
                Wrapped::Handshake(Box::pin(expect(conn, *within, ticket)))
            }
            _ => Wrapped::Ready(renamed(conn, Header::Own, ticket)),
        }
    }
}

async fn announce(
    mut conn: Box<dyn Conn>,
    header: Vec<u8>,
    ticket: Ticket,
) -> Result<Box<dyn Conn>> {
    // At once: a server that speaks first waits for it.
    conn.write_all(&header).await?;
    Ok(renamed(conn, Header::Own, ticket))
}

async fn expect(
    mut conn: Box<dyn Conn>,
    within: Duration,
    ticket: Ticket,
) -> Result<Box<dyn Conn>> {
    let read = timeout(within, read_header(&mut *conn)).await;
    let header = read.unwrap_or_else(|_| {
        let text = format!("no PROXY header came within {within:?}");
        Err(Error::with_message(ErrorKind::TimedOut, text))
    })?;
    Ok(renamed(conn, header, ticket))
}

async fn read_header(conn: &mut dyn Conn) -> Result<Header> {
    let mut wanted = 1;
    loop {
        conn.peek(wanted).await?;
        match header::parse(conn.buffered()) {
            Ok(Parsed::Whole(header, length)) => {
                conn.skip(length)?;
                conn.release();
                return Ok(header);
            }
            // Never less than one byte more than there is.
            Ok(Parsed::Needs(length)) => wanted = length.max(conn.buffered().len() + 1),
            Err(reason) => {
                let text = format!("the PROXY header is wrong: {reason}");
                return Err(Error::with_message(ErrorKind::InvalidInput, text));
            }
        }
    }
}

/// The connection as it is after its header.
fn renamed(conn: Box<dyn Conn>, header: Header, ticket: Ticket) -> Box<dyn Conn> {
    let stats = conn.stats();
    let before = (stats.received - conn.len() as u64, stats.sent);
    Box::new(Surrounded::new(conn, Renamed { header, before, _ticket: ticket }))
}

/// A connection with the addresses of a header.
struct Renamed {
    header: Header,
    /// Bytes received and sent up to the end of the header: they are none of the connection's.
    before: (u64, u64),
    _ticket: Ticket,
}

impl Around for Renamed {
    fn local_addr(&self, inner: &dyn Conn) -> Addr {
        match &self.header {
            Header::Own => inner.local_addr(),
            Header::Proxied { server, .. } => server.clone(),
        }
    }

    fn stats(&self, inner: &dyn Conn) -> ConnStats {
        let mut stats = inner.stats();
        stats.received -= self.before.0;
        stats.sent -= self.before.1;
        stats
    }

    fn peer_addr(&self, inner: &dyn Conn) -> Addr {
        match &self.header {
            Header::Own => inner.peer_addr(),
            Header::Proxied { client, .. } => client.clone(),
        }
    }
}
