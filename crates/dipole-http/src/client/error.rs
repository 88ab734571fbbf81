//! Why a request has no response.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use dipole_net::{Addr, ErrorKind};

use super::route::Target;
use crate::BoxError;
use crate::h1::client::{Fault, FaultKind};
use crate::h2::client as h2;
use crate::h3::client as h3;

/// Why a request has no response; its text says what to do about it.
///
/// Cheap to clone: several requests may have waited for the same connection.
#[derive(Clone)]
pub struct ClientError {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ClientErrorKind,
    message: Cow<'static, str>,
    deadline: Option<Deadline>,
    source: Option<BoxError>,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deadline {
    /// Waiting for another's connection.
    Pool,
    /// Looking up the name, and connecting.
    Dial,
    /// The TLS handshake.
    Handshake,
    /// The server's taking of the request.
    Write,
    /// The response's head.
    Response,
    /// All of it.
    Request,
}

/// What happened, by what a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// The request cannot be sent as it is; nothing was sent. Change it.
    Request,
    /// There is no connection; nothing was sent. Try again later, or elsewhere.
    Connect,
    /// The connection ended before the response's head was whole. The server may have acted on
    /// the request: send it again only where that does no harm.
    Connection,
    /// The request did not go out, or the response's head did not come, in time. As for
    /// `Connection`.
    TimedOut,
    /// What the server sent is not a response that can be trusted. Do not send it again.
    Response,
    /// The request's body failed while it was sent.
    RequestBody,
    /// A redirect leads nowhere: there are too many, or it cannot be followed.
    Redirect,
    /// A layer around the client failed; the source says why.
    Layer,
}

impl ClientError {
    pub(super) fn new(kind: ClientErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(kind, message.into(), None, None)
    }

    /// What a layer around the client failed with. A `ClientError` stays what it is.
    #[must_use]
    pub fn of_layer(source: impl Into<BoxError>) -> Self {
        match source.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(source) => {
                Self::caused(ClientErrorKind::Layer, "a layer around the client failed", source)
            }
        }
    }

    /// A redirect that was not followed; `message` says why.
    #[must_use]
    pub fn redirect(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ClientErrorKind::Redirect, message)
    }

    fn with(
        kind: ClientErrorKind,
        message: Cow<'static, str>,
        deadline: Option<Deadline>,
        source: Option<BoxError>,
    ) -> Self {
        Self { inner: Arc::new(Inner { kind, message, deadline, source }) }
    }

    fn caused(
        kind: ClientErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<BoxError>,
    ) -> Self {
        Self::with(kind, message.into(), None, Some(source.into()))
    }

    /// An error of the network's, which may be that `deadline` has passed.
    fn of_network(
        kind: ClientErrorKind,
        message: String,
        deadline: Deadline,
        source: dipole_net::Error,
    ) -> Self {
        let deadline = source.is_timeout().then_some(deadline);
        Self::with(kind, message.into(), deadline, Some(source.into()))
    }

    pub(super) fn connect(addr: &Addr, source: dipole_net::Error) -> Self {
        let message = format!("no connection to {addr}; see that a server listens there");
        Self::of_network(ClientErrorKind::Connect, message, Deadline::Dial, source)
    }

    pub(super) fn handshake(addr: &Addr, name: &str, source: dipole_net::Error) -> Self {
        let message = if source.is_timeout() {
            format!("{addr} did not end its TLS handshake in time; does it speak TLS there?")
        } else {
            format!("no TLS with {addr} as {name}")
        };
        Self::of_network(ClientErrorKind::Connect, message, Deadline::Handshake, source)
    }

    pub(super) fn timed_out(deadline: Deadline, whom: impl fmt::Display) -> Self {
        let (kind, message) = match deadline {
            Deadline::Pool => (
                ClientErrorKind::Connect,
                format!(
                    "no connection to {whom} became free in time; raise pool_timeout or \
                     max_connections_per_host"
                ),
            ),
            Deadline::Dial | Deadline::Handshake => {
                (ClientErrorKind::Connect, format!("no connection to {whom} in time"))
            }
            Deadline::Write => (
                ClientErrorKind::TimedOut,
                format!(
                    "{whom} did not take the request in time; raise write_timeout, or try later"
                ),
            ),
            Deadline::Response => (
                ClientErrorKind::TimedOut,
                format!("no response from {whom} in time; raise response_timeout, or try later"),
            ),
            Deadline::Request => (
                ClientErrorKind::TimedOut,
                format!("no response from {whom} in time; raise request_timeout, or try later"),
            ),
        };
        Self::with(kind, message.into(), Some(deadline), None)
    }

    /// A connection that ended as soon as it was there.
    pub(super) fn ended(addr: &Addr) -> Self {
        Self::new(ClientErrorKind::Connect, format!("{addr} closed the connection at once"))
    }

    pub(super) fn no_http2(target: &Target) -> Self {
        let message = format!(
            "{} does not speak HTTP/2, which a CONNECT with a protocol needs; ask for an upgrade",
            target.addr
        );
        Self::new(ClientErrorKind::Request, message)
    }

    fn broken(addr: &Addr, error: dipole_net::Error) -> Self {
        if error.is_timeout() {
            let Self { inner } = Self::timed_out(Deadline::Write, addr);
            let message = inner.message.clone();
            return Self::with(inner.kind, message, inner.deadline, Some(error.into()));
        }
        let message = format!(
            "the connection to {addr} ended before its response; \
             send the request again if that does no harm"
        );
        Self::caused(ClientErrorKind::Connection, message, error)
    }

    fn body(source: BoxError) -> Self {
        let message = "the request's body failed while it was sent";
        Self::caused(ClientErrorKind::RequestBody, message, source)
    }

    fn body_length() -> Self {
        let message =
            "the request's body is longer or shorter than its size hint says; correct the hint";
        Self::new(ClientErrorKind::RequestBody, message)
    }

    pub(super) fn of_fault(addr: &Addr, fault: Fault) -> Self {
        use ClientErrorKind as Kind;
        match fault.kind {
            FaultKind::Connection(error) => Self::broken(addr, error),
            FaultKind::TimedOut => Self::timed_out(Deadline::Response, addr),
            FaultKind::Rejected(reject) => {
                let message =
                    format!("{addr} answered with something else than HTTP/1.1; is this its port?");
                Self::caused(Kind::Response, message, reject)
            }
            FaultKind::Unreadable(error) => {
                let message =
                    format!("{addr} answered with something else than HTTP/1.1; is this its port?");
                Self::caused(Kind::Response, message, error)
            }
            FaultKind::Switches => Self::new(
                Kind::Response,
                format!("{addr} switched to another protocol, which nobody asked for"),
            ),
            FaultKind::TooManyInterim => Self::new(
                Kind::Response,
                format!("{addr} sent interim responses (1xx) without end; tell its operator"),
            ),
            FaultKind::Target => Self::new(
                Kind::Request,
                "the request's target or host cannot be sent; see that it is one",
            ),
            FaultKind::Body(error) => Self::body(error),
            FaultKind::BodyLength => Self::body_length(),
        }
    }

    pub(super) fn of_stream_fault(addr: &Addr, fault: h2::FaultKind) -> Self {
        use ClientErrorKind as Kind;
        match fault {
            h2::FaultKind::Connection(error) => match error.kind() {
                ErrorKind::StreamReset { .. } => {
                    let message = format!(
                        "{addr} broke the request off before its response; \
                         send it again if that does no harm"
                    );
                    Self::caused(Kind::Connection, message, error)
                }
                _ => Self::broken(addr, error),
            },
            h2::FaultKind::TimedOut => Self::timed_out(Deadline::Response, addr),
            h2::FaultKind::Unresponsive => Self::new(
                Kind::Connection,
                format!(
                    "{addr} did not answer a ping in time; \
                     send the request again if that does no harm"
                ),
            ),
            h2::FaultKind::Malformed(error) => {
                let message = format!("{addr} broke the rules of HTTP/2; is this its port?");
                Self::caused(Kind::Response, message, error)
            }
            h2::FaultKind::TooManyFields => Self::new(
                Kind::Response,
                format!("{addr} answered with too many header fields; raise max_headers"),
            ),
            h2::FaultKind::Host => {
                Self::new(Kind::Request, "the host or path is none that HTTP/2 can carry")
            }
            h2::FaultKind::Body(error) => Self::body(error),
            h2::FaultKind::BodyLength => Self::body_length(),
        }
    }

    pub(super) fn of_http3_fault(addr: &Addr, fault: h3::FaultKind) -> Self {
        use ClientErrorKind as Kind;
        match fault {
            h3::FaultKind::Connection(error) => {
                Self::of_stream_fault(addr, h2::FaultKind::Connection(error))
            }
            h3::FaultKind::TimedOut => Self::timed_out(Deadline::Response, addr),
            h3::FaultKind::WriteTimedOut => Self::timed_out(Deadline::Write, addr),
            h3::FaultKind::Unresponsive => Self::new(
                Kind::Connection,
                format!(
                    "nothing comes from {addr} any more; \
                     send the request again if that does no harm"
                ),
            ),
            h3::FaultKind::Malformed(error) => {
                let message = format!("{addr} broke the rules of HTTP/3; tell its operator");
                Self::caused(Kind::Response, message, error)
            }
            h3::FaultKind::HeadTooLarge => Self::new(
                Kind::Response,
                format!("{addr} answered with a head that is too large; raise max_head_bytes"),
            ),
            h3::FaultKind::TooManyFields => {
                Self::of_stream_fault(addr, h2::FaultKind::TooManyFields)
            }
            h3::FaultKind::TooManyInterim => Self::new(
                Kind::Response,
                format!("{addr} sent interim responses (1xx) without end; tell its operator"),
            ),
            h3::FaultKind::RequestTooLarge => Self::new(
                Kind::Request,
                format!("{addr} takes no request with so large a head; leave header fields out"),
            ),
            h3::FaultKind::NoTunnels => Self::new(
                Kind::Request,
                format!(
                    "{addr} takes no extended CONNECT over HTTP/3 (RFC 9220); let another version \
                     be spoken"
                ),
            ),
            // It is sent again.
            h3::FaultKind::Refused(status) => {
                Self::new(Kind::Response, format!("{addr} has refused the request: {status}"))
            }
            h3::FaultKind::Host => {
                Self::new(Kind::Request, "the host or path is none that HTTP/3 can carry")
            }
            h3::FaultKind::Body(error) => Self::body(error),
            h3::FaultKind::BodyLength => Self::body_length(),
        }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ClientErrorKind {
        self.inner.kind
    }

    /// Which deadline has passed; `None` when it was something else.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.inner.deadline
    }

    /// A deadline has passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.inner.deadline.is_some()
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.source {
            Some(source) => write!(f, "{} ({source})", self.inner.message),
            None => f.write_str(&self.inner.message),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, deadline: _, source } = &*self.inner;
        let mut debug = f.debug_struct("ClientError");
        debug.field("kind", kind).field("message", message);
        if let Some(source) = source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}
