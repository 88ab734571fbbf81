//! The server's deadlines and limits.

use std::time::Duration;

use crate::h1::codec::head::HeadLimits;
use crate::{AltSvc, Http2Config, Http3Config};

/// Deadlines and limits of a [`Server`](crate::Server), each with a default that fits a service on
/// the open internet.
///
/// A deadline of `None` is no deadline. Sizes are in bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// From the first byte of a request (of the first request: from the connection's beginning) to
    /// the end of its head; then the answer is 408. Default 15 s.
    pub header_timeout: Option<Duration>,
    /// Between two pieces of a request's body, as long as somebody waits for one: a handler that has
    /// given up waiting is not ended for it. Then the answer is 408.
    /// Default 30 s.
    pub body_timeout: Option<Duration>,
    /// From one answer to the next request on a connection; then it is closed. Default 75 s.
    pub idle_timeout: Option<Duration>,
    /// Without any progress of what is being sent; then the connection is broken off. Default 30 s.
    pub write_timeout: Option<Duration>,
    /// From the end of a request's head to the handler's response; then the handler is dropped and
    /// the answer is 503. Default none.
    pub request_timeout: Option<Duration>,
    /// From a connection's arrival to the end of its handshake. Default 10 s.
    pub handshake_timeout: Option<Duration>,
    /// How long a connection that is being closed still takes in what the peer sends, so that the
    /// peer can read the last answer. Default 2 s.
    pub linger_timeout: Duration,
    /// How long a connection of a network library that was swapped for another waits for a last
    /// request, whose answer then says `connection: close`, before it counts as idle and is
    /// closed. Default 1 s.
    pub retire_timeout: Duration,

    /// A request's head: request line and headers; beyond it the answer is 431. Default 32 KiB.
    pub max_head_bytes: usize,
    /// A request's target; beyond it the answer is 414. Default 16 KiB.
    pub max_target_bytes: usize,
    /// Header fields of a request; beyond it the answer is 431. Default 100.
    pub max_headers: usize,
    /// A request's body; beyond it the answer is 413. Default none: streaming handlers take bodies
    /// of any size in constant memory, and extractors have limits of their own.
    pub max_body_bytes: Option<u64>,
    /// What a handler has left unread of a request's body is read and thrown away up to this size,
    /// so that the connection can go on; beyond it the connection is closed. HTTP/3 has a limit of its
    /// own: [`Http3Config::max_drain_bytes`](crate::Http3Config::max_drain_bytes). Default 256 KiB.
    pub max_drain_bytes: u64,
    /// What may be queued of answers before the peer has to take some of it. Default 256 KiB, and
    /// at most one piece of a body above that.
    pub max_queued_bytes: usize,
    /// Connections at a time, over all workers; beyond it none is accepted until one ends.
    /// Default none.
    pub max_connections: Option<usize>,
    /// Connections at a time from one IP address; beyond it new ones are closed. Default none.
    pub max_connections_per_peer: Option<usize>,
    /// Requests on one connection; the last one's answer says `connection: close`. Default none.
    pub max_requests_per_connection: Option<u64>,

    /// What HTTP/2 has of its own.
    pub http2: Http2Config,
    /// What HTTP/3 has of its own.
    pub http3: Http3Config,

    /// Header sections that a worker remembers for a listener, each with its last request line, so
    /// that clients which repeat theirs from request to request are not parsed again; 0 remembers
    /// none. Each takes up to 2 KiB and about as much again for its parsed form, and stays in
    /// memory, with cookies and credentials in it, until another takes its place. As many heads of
    /// answers are remembered, so that a service that repeats its fields has them written once: up to
    /// 1 KiB each, and none with `set-cookie` or a value marked as sensitive. Default 64.
    pub remembered_heads: usize,

    /// What answers over TLS say of HTTP/3. Default: what is really bound.
    pub alt_svc: AltSvc,
    /// What becomes of a handler whose client has gone.
    pub when_client_leaves: WhenClientLeaves,
}

/// What becomes of a handler whose client has closed its side of the connection or reset it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenClientLeaves {
    /// The handler is dropped where it waits; the default.
    #[default]
    CancelHandler,
    /// The handler runs to its end, and its answer is sent to a client that has closed only its
    /// own side.
    FinishHandler,
}

impl ServerConfig {
    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            max_head_bytes: self.max_head_bytes,
            max_target_bytes: self.max_target_bytes,
            max_fields: self.max_headers,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            header_timeout: Some(Duration::from_secs(15)),
            body_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(75)),
            write_timeout: Some(Duration::from_secs(30)),
            request_timeout: None,
            handshake_timeout: Some(Duration::from_secs(10)),
            linger_timeout: Duration::from_secs(2),
            retire_timeout: Duration::from_secs(1),
            max_head_bytes: 32 * 1024,
            max_target_bytes: 16 * 1024,
            max_headers: 100,
            max_body_bytes: None,
            max_drain_bytes: 256 * 1024,
            max_queued_bytes: 256 * 1024,
            max_connections: None,
            max_connections_per_peer: None,
            max_requests_per_connection: None,
            http2: Http2Config::default(),
            http3: Http3Config::default(),
            remembered_heads: 64,
            alt_svc: AltSvc::default(),
            when_client_leaves: WhenClientLeaves::default(),
        }
    }
}
