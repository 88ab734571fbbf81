//! What HTTP/3 has of its own.

/// The HTTP/3 part of a [`ServerConfig`](crate::ServerConfig).
///
/// The deadlines and limits of `ServerConfig` hold for HTTP/3 as for HTTP/2: `max_head_bytes` is the
/// limit of a field section (RFC 9114 section 4.2.2), and `header_timeout` that of each head and of
/// the first request. How many requests a connection has under way, and what it may send of them
/// unread, is the network's: [`StreamOptions`](dipole_net::StreamOptions) of where it listens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Http3Config {
    /// Takes extended CONNECT (RFC 9220), for WebSocket over HTTP/3. The service gets the request
    /// with a `hyper::ext::Protocol`. After a 2xx without a body, `hyper::upgrade::on` gives the
    /// tunnel, as axum's `WebSocketUpgrade` has it; after one with a body, the two bodies are the
    /// tunnel. Default true.
    pub extended_connect: bool,
    /// Requests that a client may break off within ten seconds before it has the whole answer,
    /// beyond those that it has answers for: each whole answer makes up for one. Beyond it the
    /// connection is closed with `H3_EXCESSIVE_LOAD` (rapid reset, CVE-2023-44487). Default 500.
    pub max_resets: u32,
    /// Frames and streams that ask for nothing (frames of unknown types, `PRIORITY_UPDATE` among
    /// them, empty DATA, `MAX_PUSH_ID`, GOAWAY, unidirectional streams, instructions on the streams of
    /// QPACK) that a client may send within ten seconds beyond those that go with its requests: each whole answer makes up for
    /// ten of them. Beyond it the connection is closed with `H3_EXCESSIVE_LOAD`. Default 1,000.
    pub max_control_frames: u32,
    /// What a handler has left unread of a request's body is read and thrown away up to this size,
    /// in bytes, and for `linger_timeout` after the answer; beyond either the client is asked to send
    /// no more. It holds in the place of `ServerConfig::max_drain_bytes` and is larger: Chromium
    /// looks at no answer before it has sent its whole request, and where it is stopped it waits for
    /// good. It costs what a handler costs that reads. Default 16 MiB.
    pub max_drain_bytes: u64,
}

impl Default for Http3Config {
    fn default() -> Self {
        Self {
            extended_connect: true,
            max_resets: 500,
            max_control_frames: 1000,
            max_drain_bytes: 16 * 1024 * 1024,
        }
    }
}
