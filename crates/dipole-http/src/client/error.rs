//! Why a request has no response.

use std::borrow::Cow;
use std::fmt;

use dipole_net::Addr;

use crate::BoxError;
use crate::h1::client::{Fault, FaultKind};

/// Why a request has no response; its text says what to do about it.
pub struct ClientError {
    inner: Box<Inner>,
}

struct Inner {
    kind: ClientErrorKind,
    message: Cow<'static, str>,
    source: Option<BoxError>,
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
    /// The response's head did not come in time. As for `Connection`.
    TimedOut,
    /// What the server sent is not a response that can be trusted. Do not send it again.
    Response,
    /// The request's body failed while it was sent.
    RequestBody,
}

impl ClientError {
    pub(super) fn new(kind: ClientErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), source: None }) }
    }

    fn caused(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    pub(super) fn connect(addr: &Addr, source: dipole_net::Error) -> Self {
        let message = format!("no connection to {addr}; see that a server listens there");
        Self::new(ClientErrorKind::Connect, message).caused(source)
    }

    pub(super) fn of_fault(addr: &Addr, fault: Fault) -> Self {
        use ClientErrorKind as Kind;
        match fault.kind {
            FaultKind::Connection(error) if error.is_timeout() => Self::new(
                Kind::TimedOut,
                format!(
                    "{addr} did not take the request in time; raise write_timeout, or try later"
                ),
            )
            .caused(error),
            FaultKind::Connection(error) => Self::new(
                Kind::Connection,
                format!(
                    "the connection to {addr} ended before its response; \
                     send the request again if that does no harm"
                ),
            )
            .caused(error),
            FaultKind::TimedOut => Self::new(
                Kind::TimedOut,
                format!("no response from {addr} in time; raise response_timeout, or try later"),
            ),
            FaultKind::Rejected(reject) => Self::new(
                Kind::Response,
                format!("{addr} answered with something else than HTTP/1.1; is this its port?"),
            )
            .caused(reject),
            FaultKind::Switches => Self::new(
                Kind::Response,
                format!("{addr} switched to another protocol; leave `Upgrade` out of the request"),
            ),
            FaultKind::TooManyInterim => Self::new(
                Kind::Response,
                format!("{addr} sent interim responses (1xx) without end; tell its operator"),
            ),
            FaultKind::Body(error) => {
                Self::new(Kind::RequestBody, "the request's body failed while it was sent")
                    .caused(error)
            }
            FaultKind::BodyLength => Self::new(
                Kind::RequestBody,
                "the request's body is longer or shorter than its size hint says; correct the hint",
            ),
        }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ClientErrorKind {
        self.inner.kind
    }

    /// A deadline has passed: that of the response or of the dial.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        let network = self.inner.source.as_ref().and_then(|source| source.downcast_ref());
        self.inner.kind == ClientErrorKind::TimedOut
            || network.is_some_and(dipole_net::Error::is_timeout)
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
        let Inner { kind, message, source } = &*self.inner;
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
