//! What a TLS handshake found out.

use bytes::Bytes;

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
