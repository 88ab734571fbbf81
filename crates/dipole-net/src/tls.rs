//! TLS, as far as the contract knows it: a layer over a connection, and what its handshake found.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{BoxFuture, Conn, Result};

/// The client's end of TLS: turns a connection that is there into one that is secured.
///
/// It works over any [`Conn`]: TCP, a tunnel through a proxy, another TLS connection (D7).
pub trait TlsLayer: Send + Sync {
    /// Handshakes over `conn` at once, and gives the secured connection.
    ///
    /// # Errors
    /// `Tls` with the reason when the peer or its certificate is not acceptable (D6), `TimedOut` by
    /// `options.timeout`, or the connection's own error. `conn` is closed then (D8).
    ///
    /// # Cancel safety
    /// Dropping the future closes `conn`.
    fn add_tls<'a>(
        &'a self,
        conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>>;
}

impl<T: TlsLayer + ?Sized> TlsLayer for Arc<T> {
    fn add_tls<'a>(
        &'a self,
        conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>> {
        (**self).add_tls(conn, options)
    }
}

/// What one handshake asks for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TlsOptions {
    /// The name or IP address that the peer's certificate must be for (RFC 6066 section 3).
    pub server_name: String,
    /// The protocols to offer by ALPN, best first (RFC 7301); empty offers none.
    pub alpn: Vec<Bytes>,
    /// The longest that the handshake may take; `None`, the default, is no limit of its own.
    pub timeout: Option<Duration>,
}

impl TlsOptions {
    /// A handshake with the peer of this name or IP address, without ALPN.
    #[must_use]
    pub fn new(server_name: impl Into<String>) -> Self {
        Self { server_name: server_name.into(), ..Self::default() }
    }
}

/// What the TLS layer under a connection negotiated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol chosen by ALPN, such as `h2` (RFC 7301); `None` when none was negotiated.
    pub alpn: Option<Bytes>,
    /// The server name that the client asked for (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The protocol version, such as `TLSv1.3`.
    pub version: String,
    /// The cipher suite, by its IANA name.
    pub cipher_suite: String,
    /// The peer's certificates, leaf first, DER; empty when it showed none.
    pub peer_certificates: Vec<Bytes>,
    /// True when a session was resumed.
    pub resumed: bool,
    /// True when bytes of this connection came as early data, which may be replayed.
    pub early_data: bool,
}
