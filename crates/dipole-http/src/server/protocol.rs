//! Protocols: who serves the requests of a connection.

use std::sync::Arc;

use dipole_net::{BoxFuture, Connection, StreamConn};

use super::session::Session;
use crate::HttpService;

/// A protocol that brings requests over a connection to the service: HTTP/1.1, HTTP/2, or one of
/// the user's own.
///
/// A server knows its protocols by their ALPN names; [`Server::protocol`](crate::Server::protocol)
/// adds one, or puts one in the place of another. A byte stream is served by what ALPN chose, and
/// by `http/1.1` without ALPN; a connection of streams by what ALPN chose among the user's own, and
/// by `h3` otherwise.
pub trait Protocol<S>: Send + Sync {
    /// The name by which ALPN chooses it, such as `h2` (RFC 7301).
    fn alpn(&self) -> &[u8];

    /// Serves a connection, none of whose bytes has been read, to its end.
    ///
    /// The future is the connection's task. It is woken when the server begins to drain, and has
    /// to look at [`Session::is_draining`] whenever it is polled: then it takes no request any
    /// more, tells the peer so, and ends with the last request that runs. It is dropped by the
    /// drain's deadline, and must take along with it all that it has spawned (which
    /// [`Exchanges::spawn`](crate::Exchanges::spawn) sees to).
    ///
    /// A kind of connection that it cannot serve is dropped.
    fn serve(&self, connection: Connection, session: Session<S>) -> BoxFuture<'static, ()>;
}

/// The protocols of a server.
pub(crate) struct Protocols<S> {
    list: Vec<Arc<dyn Protocol<S>>>,
    /// The user's own, by their place in the list.
    own: Vec<usize>,
}

impl<S: HttpService> Protocols<S> {
    /// Those that are built in.
    pub(crate) fn new() -> Self {
        let list: Vec<Arc<dyn Protocol<S>>> = vec![
            Arc::new(crate::h1::server::Http1),
            Arc::new(crate::h2::server::Http2),
            Arc::new(crate::h3::server::Http3),
        ];
        Self { list, own: Vec::new() }
    }

    /// Adds one, in the place of another of its name.
    pub(crate) fn register(&mut self, protocol: Arc<dyn Protocol<S>>) {
        let known = self.list.iter().position(|known| known.alpn() == protocol.alpn());
        let place = known.unwrap_or(self.list.len());
        match self.list.get_mut(place) {
            Some(known) => *known = protocol,
            None => self.list.push(protocol),
        }
        if !self.own.contains(&place) {
            self.own.push(place);
        }
    }

    pub(crate) fn named(&self, name: &[u8]) -> Option<&dyn Protocol<S>> {
        self.list.iter().find(|known| known.alpn() == name).map(|known| &**known)
    }

    /// What serves this connection. `None`: nothing here can.
    pub(crate) fn choose(&self, connection: &Connection) -> Option<&dyn Protocol<S>> {
        match connection {
            Connection::Bytes(conn) => {
                let chosen = conn.tls().and_then(|tls| tls.alpn.as_deref());
                chosen.and_then(|name| self.named(name)).or_else(|| self.named(HTTP1))
            }
            Connection::Streams(conn) => self.own_of(&**conn).or_else(|| self.named(HTTP3)),
            _ => None,
        }
    }

    /// The user's own that ALPN chose. The connection is asked only where there is any: what it
    /// tells it keeps, and of those built in only one is for streams.
    fn own_of(&self, conn: &dyn StreamConn) -> Option<&dyn Protocol<S>> {
        let mut own = self.own.iter().filter_map(|&place| self.list.get(place)).peekable();
        own.peek()?;
        let chosen = conn.tls()?.alpn.as_deref()?;
        own.find(|own| own.alpn() == chosen).map(|own| &**own)
    }
}

impl<S> Clone for Protocols<S> {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), own: self.own.clone() }
    }
}

/// ALPN's names (RFC 7301 section 6, RFC 9113 section 11.1, RFC 9114 section 11.1).
pub(crate) const HTTP1: &[u8] = b"http/1.1";
pub(crate) const HTTP2: &[u8] = b"h2";
pub(crate) const HTTP3: &[u8] = b"h3";
