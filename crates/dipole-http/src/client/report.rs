//! What a response came over.

use dipole_net::{Addr, Conn, StreamConn, TlsInfo};

/// The connection that a response came over: an extension of each response, where
/// [`ClientConfig::report_connection`](crate::ClientConfig::report_connection) asks for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionReport {
    /// This end's address.
    pub local: Addr,
    /// The other end's address: the server's, or a proxy's.
    pub peer: Addr,
    /// What the TLS handshake found; `None` without TLS.
    pub tls: Option<TlsInfo>,
}

impl ConnectionReport {
    pub(crate) fn of(conn: &dyn Conn) -> Self {
        Self { local: conn.local_addr(), peer: conn.peer_addr(), tls: conn.tls().cloned() }
    }
    pub(crate) fn of_streams(conn: &dyn StreamConn) -> Self {
        Self { local: conn.local_addr(), peer: conn.peer_addr(), tls: conn.tls().cloned() }
    }
}
