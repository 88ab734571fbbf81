//! The client's deadlines and limits.

use std::time::Duration;

use crate::h1::client::Limits;
use crate::h1::codec::head::HeadLimits;

/// Deadlines and limits of a [`Client`](crate::Client).
///
/// A deadline of `None` is no deadline. Sizes are in bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// For a new connection: looking up its name, connecting, and any handshake together.
    /// Default 10 s.
    pub dial_timeout: Option<Duration>,
    /// From the end of a request to the end of its response's head. Default none.
    pub response_timeout: Option<Duration>,
    /// Between two pieces of a response's body that its reader waits for. Default none.
    pub body_timeout: Option<Duration>,
    /// For the server to take what is queued of a request: at most 64 KiB and one piece of its
    /// body. Default none.
    pub write_timeout: Option<Duration>,
    /// How long a request with `Expect: 100-continue` waits for the answer to that before it sends
    /// its body anyway. Default 1 s.
    pub continue_timeout: Duration,
    /// How long a connection is kept for the next request to the same host. Default 90 s.
    pub idle_timeout: Duration,
    /// How many connections to one host are kept for later requests. Default 32.
    pub max_idle_per_host: usize,
    /// A response's head: status line and headers, and as much for its trailers.
    /// Default 64 KiB.
    pub max_head_bytes: usize,
    /// Header fields of a response, and as many trailers. Default 100.
    pub max_headers: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            dial_timeout: Some(Duration::from_secs(10)),
            response_timeout: None,
            body_timeout: None,
            write_timeout: None,
            continue_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(90),
            max_idle_per_host: 32,
            max_head_bytes: 64 * 1024,
            max_headers: 100,
        }
    }
}

impl ClientConfig {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            head: HeadLimits {
                max_head_bytes: self.max_head_bytes,
                // A status line has no limit of its own.
                max_target_bytes: self.max_head_bytes,
                max_fields: self.max_headers,
            },
            response_timeout: self.response_timeout,
            body_timeout: self.body_timeout,
            continue_timeout: self.continue_timeout,
        }
    }
}
