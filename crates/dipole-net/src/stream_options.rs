//! How a connection of many streams behaves.

use std::time::Duration;

/// How one end of a connection of many streams behaves; everything is bounded. What a library has
/// no use for, it leaves alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// How many bidirectional streams the peer may have open at once. Default 100.
    pub streams: u32,
    /// How many unidirectional streams the peer may have open at once. Default 8, of which HTTP/3 takes
    /// three (RFC 9114 section 6.2). Libraries hold some memory for each, open or not.
    pub uni_streams: u32,
    /// Bytes that the peer may have under way on one stream, unread. Default 1 MiB.
    pub stream_window: u32,
    /// Bytes that the peer may have under way on all streams together, unread. Default 4 MiB.
    pub connection_window: u32,
    /// Bytes that this end holds until the peer has acknowledged them, on all streams together; a
    /// library may hold that much on each stream instead. Default 1 MiB.
    pub send_window: u32,
    /// How long nothing may come before the connection ends with `TimedOut` (S26); the smaller one
    /// of both ends counts. `None` is no limit. Default 30 seconds.
    pub idle_timeout: Option<Duration>,
    /// How often to send something that keeps the connection from idling (S27). `None`, the
    /// default, never does.
    pub keep_alive: Option<Duration>,
    /// The longest that a handshake may take (S28). Default 10 seconds.
    pub handshake_timeout: Duration,
    /// Bytes of datagrams held in each direction; 0, the default, takes no datagrams (S31).
    pub datagram_queue: u32,
    /// Sends and takes early data, which an attacker may replay (S32; RFC 9001 section 9.2).
    /// Default false.
    pub early_data: bool,
    /// The peer's address may change (S30; RFC 9000 section 9). Default true.
    pub migration: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            streams: 100,
            uni_streams: 8,
            stream_window: 1 << 20,
            connection_window: 4 << 20,
            send_window: 1 << 20,
            idle_timeout: Some(Duration::from_secs(30)),
            keep_alive: None,
            handshake_timeout: Duration::from_secs(10),
            datagram_queue: 0,
            early_data: false,
            migration: true,
        }
    }
}
