//! How HTTP/3 is tried, and the limits of its connections.

use std::time::Duration;

/// How a client tries HTTP/3, and windows and limits of its connections. Sizes are in bytes.
///
/// It needs a network library of streams: see
/// [`ClientBuilder::with_stream_dialer`](crate::ClientBuilder::with_stream_dialer).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Http3ClientConfig {
    /// How long HTTP/3 is tried alone; then the other versions are tried beside it, and the first
    /// that is there is used. Where nothing comes through by UDP, a request loses this time, and
    /// the next ones none, for as long as [`retry_after`](Self::retry_after) says. Default 250 ms.
    pub head_start: Duration,
    /// How long HTTP/3 of an origin is not tried again where it has failed, or was the slower one;
    /// twice as long with each time more. Default 60 s.
    pub retry_after: Duration,
    /// The longest that it is not tried again. Default 1 h.
    pub max_retry_after: Duration,
    /// Servers' `Alt-Svc` is followed (RFC 7838), of `https:` origins. Default true.
    pub follow_alt_svc: bool,
    /// Origins whose alternatives and failures are remembered; the one that was used the longest
    /// time ago goes first. Default 1,024.
    pub max_remembered_origins: usize,
    /// Requests at a time on one connection, whatever the server allows; beyond it another
    /// connection is made. Default 1,000.
    pub max_streams: usize,
    /// How much of one response may be under way before its reader has taken it. Default 2 MiB.
    pub stream_window: u32,
    /// How much of all responses of a connection may be under way. Default 5 MiB.
    pub connection_window: u32,
    /// How much of all requests of a connection is held until the server has acknowledged it.
    /// Default 1 MiB.
    pub send_window: u32,
    /// How often something is sent that keeps the connection, and finds a server that is gone.
    /// `None` is never: then a server that takes longer than `peer_timeout` to answer is taken for
    /// gone. Default 10 s.
    pub keep_alive_interval: Option<Duration>,
    /// How long nothing may come from a server until it is taken for gone. Default 30 s.
    pub peer_timeout: Duration,
    /// Sends safe requests without a body before the handshake has ended (0-RTT, RFC 8470), where
    /// the server has been spoken with before. An attacker may replay them, which a server is asked
    /// to bear only where it has said that it takes early data. All other requests wait for the
    /// handshake, and so does one that is answered with 425 (Too Early), before it is sent again.
    /// Default false.
    pub early_data: bool,
}

impl Default for Http3ClientConfig {
    fn default() -> Self {
        Self {
            head_start: Duration::from_millis(250),
            retry_after: Duration::from_secs(60),
            max_retry_after: Duration::from_secs(60 * 60),
            follow_alt_svc: true,
            max_remembered_origins: 1024,
            max_streams: 1000,
            stream_window: 2 * 1024 * 1024,
            connection_window: 5 * 1024 * 1024,
            send_window: 1024 * 1024,
            keep_alive_interval: Some(Duration::from_secs(10)),
            peer_timeout: Duration::from_secs(30),
            early_data: false,
        }
    }
}
