//! What went wrong, and whether the request may go out again.

use std::error::Error as _;

use dipole_net::{Error, ErrorKind, Initiator};

use crate::{BodyError, BoxError};

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) repeat: Repeat,
}

/// See [`Fault`].
#[derive(Debug)]
pub(crate) enum FaultKind {
    /// The connection failed or ended, or the server broke the stream off.
    Connection(Error),
    /// The response did not come in time.
    TimedOut,
    /// The server does not answer a ping.
    Unresponsive,
    /// What came is not a response.
    Malformed(BoxError),
    /// The response has more header fields than are allowed.
    TooManyFields,
    /// The host is none that HTTP/2 can carry.
    Host,
    /// The request's body failed.
    Body(BoxError),
    /// The request's body is longer or shorter than it said.
    BodyLength,
}

/// Whether the request may be sent again, on another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The server has not looked at it: any request may.
    Any,
    /// The server may have acted on it: only where that does no harm.
    IfIdempotent,
    Never,
}

impl Fault {
    pub(super) fn new(kind: FaultKind) -> Self {
        Self { kind, repeat: Repeat::Never }
    }

    /// The server wants no more streams than it has; the connection is fine.
    pub(super) fn is_refusal(&self) -> bool {
        match &self.kind {
            FaultKind::Connection(error) => matches!(error.kind(), ErrorKind::StreamReset { .. }),
            _ => false,
        }
    }

    /// Sorts an error of hyper's. `was_sent` is false when the request never left this machine.
    pub(super) fn of(error: hyper::Error, was_sent: bool) -> Self {
        let kind = match sort(&error) {
            Sorted::Network(error) => FaultKind::Connection(error),
            Sorted::Malformed => FaultKind::Malformed(error.into()),
            Sorted::Unresponsive => FaultKind::Unresponsive,
            Sorted::Unprocessed(error) => {
                return Self { kind: FaultKind::Connection(error), repeat: Repeat::Any };
            }
        };
        let repeat = match &kind {
            _ if !was_sent => Repeat::Any,
            FaultKind::Connection(error) if is_of_connection(error) => Repeat::IfIdempotent,
            _ => Repeat::Never,
        };
        Self { kind, repeat }
    }
}

fn is_of_connection(error: &Error) -> bool {
    error.is_eof() || error.is_closed()
}

/// What an error of hyper's means for the body that it cut short.
pub(super) fn of_body(error: &hyper::Error) -> BodyError {
    match sort(error) {
        Sorted::Network(error) | Sorted::Unprocessed(error) => BodyError::Connection(error),
        Sorted::Unresponsive => {
            let text = "the server does not answer a ping";
            BodyError::Connection(Error::with_message(ErrorKind::Closed, text))
        }
        Sorted::Malformed => BodyError::Malformed("the server broke the rules of HTTP/2"),
    }
}

enum Sorted {
    Network(Error),
    /// The server says that it has not looked at the request (RFC 9113 sections 6.8, 8.7).
    Unprocessed(Error),
    Malformed,
    Unresponsive,
}

fn sort(error: &hyper::Error) -> Sorted {
    if error.is_timeout() {
        return Sorted::Unresponsive;
    }
    let Some(cause) = error.source().and_then(|source| source.downcast_ref::<h2::Error>()) else {
        return if error.is_parse() {
            Sorted::Malformed
        } else {
            Sorted::Network(ErrorKind::Closed.into())
        };
    };
    if let Some(io) = cause.get_io() {
        // An error of the network library's comes back as it went in.
        let network = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let error = network.cloned().unwrap_or_else(|| std::io::Error::from(io.kind()).into());
        return Sorted::Network(error);
    }
    let reason = cause.reason().unwrap_or(h2::Reason::INTERNAL_ERROR);
    let code = u32::from(reason).into();
    if !cause.is_remote() {
        return Sorted::Malformed;
    }
    if cause.is_reset() {
        let error = ErrorKind::StreamReset { code, by: Initiator::Peer }.into();
        return match reason {
            h2::Reason::REFUSED_STREAM => Sorted::Unprocessed(error),
            _ => Sorted::Network(error),
        };
    }
    let reason_text = bytes::Bytes::new();
    let error = ErrorKind::Application { code, reason: reason_text, by: Initiator::Peer }.into();
    match reason {
        // Only streams that the server will not look at end so.
        h2::Reason::NO_ERROR => Sorted::Unprocessed(error),
        _ => Sorted::Network(error),
    }
}
