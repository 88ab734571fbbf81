//! What HTTP/3 has of its own.

/// The HTTP/3 part of a [`ServerConfig`](crate::ServerConfig).
///
/// The deadlines and limits of `ServerConfig` hold for HTTP/3 as for HTTP/2: `max_head_bytes` is the
/// limit of a field section (RFC 9114 section 4.2.2), and `header_timeout` that of each head and of
/// the first request. How many requests a connection has under way, and what it may send of them
/// unread, is the network's: [`StreamOptions`](dipole_net::StreamOptions) of where it listens.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Http3Config {
    /// Takes extended CONNECT (RFC 9220). The service gets the request with a
    /// `hyper::ext::Protocol`, and after its 2xx the two bodies are the tunnel; hyper's upgrades,
    /// which only hyper can make, are not there, and so nor is axum's `WebSocketUpgrade`. Hence the
    /// default, false: browsers then open WebSockets over HTTP/1.1 or HTTP/2.
    pub extended_connect: bool,
}
