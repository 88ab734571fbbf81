//! The limits of HTTP/2 connections.

use std::time::Duration;

/// Windows, limits and pings of a client's HTTP/2 connections. Sizes are in bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Http2ClientConfig {
    /// How much of one response may be under way before its reader has taken it. Default 2 MiB.
    pub stream_window: u32,
    /// How much of all responses of a connection may be under way. Default 5 MiB.
    pub connection_window: u32,
    /// Both windows follow what the connection can carry, measured by pings, in place of the two
    /// sizes above. Default false.
    pub adaptive_window: bool,
    /// The largest frame that the server may send: 16,384 to 16,777,215. Default 16,384.
    pub max_frame_size: u32,
    /// What of the server's header compression is remembered. Default 4,096.
    pub header_table_size: u32,
    /// What may be queued of one request's body before the connection takes some of it.
    /// Default 256 KiB.
    pub max_send_buffer: usize,
    /// Requests at a time on a new connection, until the server has told its own limit. Default 100.
    pub initial_max_streams: usize,
    /// Requests at a time on one connection, whatever the server allows. Default 1,000.
    pub max_streams: usize,
    /// Streams that this end has reset and still remembers, so that what comes late for them is no
    /// fault. Default 50.
    pub max_remembered_resets: usize,
    /// How long such a stream is remembered. Default 1 s.
    pub reset_stream_duration: Duration,
    /// Streams that this end had to reset for the server's faults, at a time; beyond it the
    /// connection ends. Default 1,024.
    pub max_error_resets: usize,
    /// How often a connection in use is pinged, to find a server that is gone. `None` is never.
    /// Default 30 s.
    pub keep_alive_interval: Option<Duration>,
    /// How long the answer to a ping may take; then the connection ends. Default 20 s.
    pub keep_alive_timeout: Duration,
    /// Connections without a request are pinged as well. Default false.
    pub keep_alive_while_idle: bool,
}

impl Default for Http2ClientConfig {
    fn default() -> Self {
        Self {
            stream_window: 2 * 1024 * 1024,
            connection_window: 5 * 1024 * 1024,
            adaptive_window: false,
            max_frame_size: 16 * 1024,
            header_table_size: 4096,
            max_send_buffer: 256 * 1024,
            initial_max_streams: 100,
            max_streams: 1000,
            max_remembered_resets: 50,
            reset_stream_duration: Duration::from_secs(1),
            max_error_resets: 1024,
            keep_alive_interval: Some(Duration::from_secs(30)),
            keep_alive_timeout: Duration::from_secs(20),
            keep_alive_while_idle: false,
        }
    }
}
