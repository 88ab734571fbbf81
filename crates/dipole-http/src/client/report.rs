//! What a response came over.

use dipole_net::{Addr, Conn, StreamConn, TlsInfo};

/// The connection that a response came over: an extension of each response where
/// [`ClientConfig::report_connection`](crate::ClientConfig::report_connection) asks for it, and of the
/// response to a request that has the extension [`ReportConnection`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// This end's address.
    pub local: Addr,
    /// The other end's address: the server's, or a proxy's.
    pub peer: Addr,
    /// What the TLS handshake found; `None` without TLS.
    pub tls: Option<TlsInfo>,
    /// The network library that carried it, as [`Dialer::name`](dipole_net::Dialer::name) says it.
    pub network: &'static str,
}

/// Asks for the [`ConnectionReport`] of one response: an extension of its request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportConnection;

impl ConnectionReport {
    pub(crate) fn of(conn: &dyn Conn, network: &'static str) -> Self {
        let (local, peer) = (conn.local_addr(), conn.peer_addr());
        Self { local, peer, tls: conn.tls().cloned(), network }
    }

    pub(crate) fn of_streams(conn: &dyn StreamConn, network: &'static str) -> Self {
        let (local, peer) = (conn.local_addr(), conn.peer_addr());
        Self { local, peer, tls: conn.tls().cloned(), network }
    }
}
