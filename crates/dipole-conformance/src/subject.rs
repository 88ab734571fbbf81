//! The library under judgement, and the server that the life-cycle statements run it under.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Addr, BoxFuture, Dialer, Result, Transport};

use crate::Tls;

/// A network library to judge.
#[derive(Clone)]
pub struct Subject {
    /// Its name, for the report.
    pub name: String,
    /// Its listening half.
    pub transport: Arc<dyn Transport>,
    /// Its dialling half.
    pub dialer: Arc<dyn Dialer>,
    /// Addresses that it can listen on afresh each time, such as `127.0.0.1:0`, `[::1]:0`; the
    /// first is used where any will do. Unix paths and abstract names are made up by the kit.
    pub addresses: Vec<Addr>,
    /// A server to run it under; `None` makes the statements about a server's life cycle not
    /// applicable.
    pub host: Option<Arc<dyn Host>>,
    /// A TLS layer over its connections; `None` makes the statements about TLS not applicable.
    pub tls: Option<Arc<dyn Tls>>,
}

/// A server that runs a library's listeners, so that the kit can judge a library's life cycle (L8
/// to L13) without knowing what protocol is spoken. `tests/line_host` of this crate is an example.
///
/// A connection carries one request after the other, each answered before the next is sent.
pub trait Host: Send + Sync {
    /// Listens on `addr` with `transport` and serves, from when the future has ended.
    ///
    /// Called inside a tokio runtime. A host may serve on threads of its own, but where `transport`
    /// is simulated it MUST serve on the caller's runtime, whose paused clock is the library's.
    /// Dropping the future leaves nothing listening (L10).
    ///
    /// # Errors
    /// What listening failed with.
    fn start<'a>(
        &'a self,
        transport: Arc<dyn Transport>,
        addr: &'a Addr,
        options: HostOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Running>>>;

    /// The bytes of a request that is answered at once.
    fn quick_request(&self) -> Bytes;
    /// The bytes of a request that is answered after about `delay`.
    fn slow_request(&self, delay: Duration) -> Bytes;
    /// The bytes of a request whose handler panics.
    fn panicking_request(&self) -> Bytes;
    /// Looks for one whole answer at the start of `bytes`; `None` when it is not whole yet.
    fn parse_answer(&self, bytes: &[u8]) -> Option<Answer>;
}

/// One answer of a [`Host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Its length on the wire, in bytes.
    pub length: usize,
    /// True when the handler ran to its end; false for an error answer, such as after a panic.
    pub ok: bool,
}

/// How a [`Host`] is to serve.
#[derive(Clone)]
#[non_exhaustive]
pub struct HostOptions {
    /// Workers, each with a listener of its own.
    pub workers: usize,
    /// Called with the peer's address before any byte is read or sent; false closes the connection.
    pub on_accept: Arc<dyn Fn(&Addr) -> bool + Send + Sync>,
    /// Called with the peer's address when the connection is ready for requests, its handshake
    /// done; false closes the connection.
    pub on_connect: Arc<dyn Fn(&Addr) -> bool + Send + Sync>,
    /// Handlers are dropped when their client has gone.
    pub cancel_on_disconnect: bool,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            workers: 1,
            on_accept: Arc::new(|_| true),
            on_connect: Arc::new(|_| true),
            cancel_on_disconnect: true,
        }
    }
}

/// A server that runs. Dropping it ends the server soon, running requests with it.
pub trait Running: Send + Sync {
    /// Where it listens.
    fn local_addr(&self) -> Addr;
    /// Stops accepting, closes idle connections at once, lets running requests end until `deadline`
    /// has passed, then ends them too (L9). The future ends when the server has. Twice is fine,
    /// also at the same time (L10).
    fn shutdown(&self, deadline: Duration) -> BoxFuture<'_, ()>;
    /// What has become of the handlers so far.
    fn handlers(&self) -> Handlers;
    /// Moves the live listener to another library at the same address (L13). The connections of
    /// the old one drain: idle ones are closed, running requests end. `None` when the host cannot.
    ///
    /// # Errors
    /// What listening with `transport` failed with; the old library then goes on.
    fn swap(&self, transport: Arc<dyn Transport>) -> Option<BoxFuture<'_, Result<()>>>;
}

/// What became of a host's handlers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Handlers {
    /// Begun since the start.
    pub begun: u64,
    /// Ended by a panic.
    pub panicked: u64,
    /// Dropped before their end.
    pub cancelled: u64,
}
