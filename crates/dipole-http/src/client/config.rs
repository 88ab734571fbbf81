//! The client's deadlines and limits.

use std::time::Duration;

use crate::h1::client::Limits;
use crate::h1::codec::head::HeadLimits;
use crate::{Http2ClientConfig, Http3ClientConfig};

/// Deadlines and limits of a [`Client`](crate::Client).
///
/// A deadline of `None` is no deadline; which one has passed is told by
/// [`ClientError::deadline`](crate::ClientError::deadline). Sizes are in bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// For a new connection: looking up its name, and connecting. Default 10 s.
    pub dial_timeout: Option<Duration>,
    /// For a new connection: its TLS handshake. Default 10 s.
    pub handshake_timeout: Option<Duration>,
    /// For its turn, where the request has to wait for another's connection. Default none.
    pub pool_timeout: Option<Duration>,
    /// From the end of a request to the end of its response's head. Default none.
    pub response_timeout: Option<Duration>,
    /// Between two pieces of a response's body that its reader waits for. Default none.
    pub body_timeout: Option<Duration>,
    /// For the server to take what is queued of a request: at most 64 KiB and one piece of its
    /// body. Default none.
    pub write_timeout: Option<Duration>,
    /// For all of it, from the request's beginning to the end of its response's body. Default none.
    pub request_timeout: Option<Duration>,
    /// How long a request with `Expect: 100-continue` waits for the answer to that before it sends
    /// its body anyway. HTTP/2 does not wait. Default 1 s.
    pub continue_timeout: Duration,

    /// Connections to one host at a time, whatever they do; beyond it requests wait for their
    /// turn, in the order in which they came. Default none.
    pub max_connections_per_host: Option<usize>,
    /// How many connections to one host are kept for later requests. The one that was used last is
    /// used next. Default 32.
    pub max_idle_per_host: usize,
    /// How long a connection is kept for the next request to the same host. Default 90 s.
    pub idle_timeout: Duration,
    /// How long a connection is used at all. Default none.
    pub max_connection_age: Option<Duration>,

    /// How often a request is sent that servers of HTTP/2 or HTTP/3 say they have not looked at, for
    /// they end the connection or refuse the stream (RFC 9113 section 8.7). Default 8, at least 1.
    pub max_tries: usize,

    /// A response's head: status line and headers, and as much for its trailers.
    /// Default 64 KiB.
    pub max_head_bytes: usize,
    /// Header fields of a response, and as many trailers. Default 100.
    pub max_headers: usize,

    /// Gives each response the extension [`ConnectionReport`](crate::ConnectionReport), whether its
    /// request asks for it or not. Default false.
    pub report_connection: bool,
    /// Which versions of HTTP are spoken.
    pub protocol: ProtocolChoice,
    /// What is of HTTP/2 alone.
    pub http2: Http2ClientConfig,
    /// How HTTP/3 is tried, and what is of HTTP/3 alone.
    pub http3: Http3ClientConfig,
}

/// Which versions of HTTP a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ProtocolChoice {
    /// Over TLS what the server chooses of HTTP/2 and HTTP/1.1 (ALPN, RFC 7301), and HTTP/3 where
    /// it has said that it has it (RFC 7838) and the client has a stream dialer; without TLS
    /// HTTP/1.1. The default.
    #[default]
    Negotiated,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone; without TLS by prior knowledge (RFC 9113 section 3.3).
    Http2,
    /// As `Negotiated`, but HTTP/3 is tried also where nobody has said that it is there.
    Http3First,
    /// HTTP/3 alone, with TLS.
    Http3,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            dial_timeout: Some(Duration::from_secs(10)),
            handshake_timeout: Some(Duration::from_secs(10)),
            pool_timeout: None,
            response_timeout: None,
            body_timeout: None,
            write_timeout: None,
            request_timeout: None,
            continue_timeout: Duration::from_secs(1),
            max_connections_per_host: None,
            max_idle_per_host: 32,
            idle_timeout: Duration::from_secs(90),
            max_connection_age: None,
            max_tries: 8,
            max_head_bytes: 64 * 1024,
            max_headers: 100,
            report_connection: false,
            protocol: ProtocolChoice::default(),
            http2: Http2ClientConfig::default(),
            http3: Http3ClientConfig::default(),
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
