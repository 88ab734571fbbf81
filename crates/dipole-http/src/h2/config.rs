//! What a server allows on an HTTP/2 connection.

use std::time::Duration;

/// The HTTP/2 part of a [`ServerConfig`](crate::ServerConfig). Sizes are in bytes.
///
/// The deadlines and limits of `ServerConfig` hold for HTTP/2 as well; `max_head_bytes` is the
/// limit of a header list (RFC 9113 section 6.5.2), `header_timeout` that of the first request, and
/// `idle_timeout` that of a connection without requests, whatever other frames it carries.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Http2Config {
    /// Takes HTTP/2 without TLS from a client that begins with it (RFC 9113 section 3.3). Default
    /// true.
    pub prior_knowledge: bool,
    /// Requests under way on one connection. Default 200.
    pub max_concurrent_streams: u32,
    /// What a client may send of one request before the handler has read it. Default 256 KiB.
    pub stream_window: u32,
    /// The same over all requests of a connection. Default 1 MiB.
    pub connection_window: u32,
    /// Sizes both windows by the bandwidth and delay that are seen, in the place of those above.
    /// Default false.
    pub adaptive_window: bool,
    /// The largest frame that is taken. Default 16 KiB, the smallest that there is.
    pub max_frame_size: u32,
    /// What is held of one response for a client that does not take it. Default 256 KiB.
    pub max_send_buffer: usize,
    /// The table of header fields that a client may refer to. Default 4 KiB.
    pub header_table_size: u32,
    /// Sends a ping when nothing has come for so long. Default none.
    pub keep_alive_interval: Option<Duration>,
    /// How long the answer to such a ping may take; then the connection is closed. Default 20 s.
    pub keep_alive_timeout: Duration,
    /// Requests that a client resets before the service has seen them; beyond it the connection is
    /// closed (rapid reset, CVE-2023-44487). Default 20.
    pub max_pending_resets: usize,
    /// Requests that the client's own faults reset; beyond it the connection is closed
    /// (CVE-2025-8671). Default 1024.
    pub max_error_resets: usize,
    /// Frames that ask for nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown
    /// ones) that a client may send within ten seconds beyond those that go with its requests: each
    /// HEADERS and DATA frame, of either side, makes up for ten of them. Beyond it the connection is
    /// closed with ENHANCE_YOUR_CALM (CVE-2019-9512, 9515, 9518). Default 1,000.
    pub max_control_frames: u32,
    /// Ends a gRPC call when the time is over that its client gives it (`grpc-timeout`): with
    /// DEADLINE_EXCEEDED, in the head or in trailers, and the handler or the rest of the body is
    /// dropped. Default true.
    pub grpc_deadlines: bool,
    /// Takes extended CONNECT, for WebSocket over HTTP/2 (RFC 8441). Default true.
    pub extended_connect: bool,
}

impl Default for Http2Config {
    fn default() -> Self {
        Self {
            prior_knowledge: true,
            max_concurrent_streams: 200,
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            adaptive_window: false,
            max_frame_size: 16 * 1024,
            max_send_buffer: 256 * 1024,
            header_table_size: 4096,
            keep_alive_interval: None,
            keep_alive_timeout: Duration::from_secs(20),
            max_pending_resets: 20,
            max_error_resets: 1024,
            max_control_frames: 1000,
            grpc_deadlines: true,
            extended_connect: true,
        }
    }
}
