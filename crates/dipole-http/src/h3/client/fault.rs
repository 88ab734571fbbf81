//! What went wrong, and whether the request may go out again.

use dipole_net::{Error, ErrorKind, Initiator};
use h3::error::{Code, ConnectionError, StreamError};
use h3::quic::ConnectionErrorIncoming;

use super::link::Link;
use crate::h2::client::Repeat;
use crate::h3::quic::failure;
use crate::{BodyError, BoxError};

/// Why there is no response.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) repeat: Repeat,
    /// The server asks for another version of HTTP (RFC 9114 section 8.1).
    pub(crate) falls_back: bool,
}

/// See [`Fault`].
#[derive(Debug)]
pub(crate) enum FaultKind {
    /// The connection failed or ended, or the server broke the stream off.
    Connection(Error),
    /// The response did not come in time.
    TimedOut,
    /// The server did not take the request in time.
    WriteTimedOut,
    /// Nothing comes from the server any more.
    Unresponsive,
    /// What came is not a response.
    Malformed(BoxError),
    /// The response's head is larger than is allowed.
    HeadTooLarge,
    /// The response has more header fields than are allowed.
    TooManyFields,
    /// The server sends interim responses without end.
    TooManyInterim,
    /// The request's head is larger than the server takes.
    RequestTooLarge,
    /// The host or path is none that HTTP/3 can carry.
    Host,
    /// The request's body failed.
    Body(BoxError),
    /// The request's body is longer or shorter than it said.
    BodyLength,
}

impl Fault {
    pub(super) fn new(kind: FaultKind) -> Self {
        Self { kind, repeat: Repeat::Never, falls_back: false }
    }

    /// The server has not looked at the request.
    pub(super) fn unprocessed(error: Error) -> Self {
        let kind = FaultKind::Connection(error);
        Self { kind, repeat: Repeat::Any, falls_back: false }
    }

    /// Sorts an error of a request that could not be sent on `link`.
    pub(super) fn of_sending(error: &StreamError, link: &Link) -> Self {
        match error {
            StreamError::HeaderTooBig { .. } => Self::new(FaultKind::RequestTooLarge),
            // RFC 9114 5.2: nothing of it has left this machine.
            StreamError::RemoteClosing { .. } => Self::unprocessed(ErrorKind::Closed.into()),
            // The server may say why on the other half, but nothing of it is read here.
            error => Self::of(error, link),
        }
    }

    /// Sorts an error that came in place of a response.
    pub(super) fn of(error: &StreamError, link: &Link) -> Self {
        match sort(error, link) {
            Sorted::Reset(code) => {
                let error = ErrorKind::StreamReset { code, by: Initiator::Peer }.into();
                if code == Code::H3_REQUEST_REJECTED.value() {
                    return Self::unprocessed(error);
                }
                if code == Code::H3_VERSION_FALLBACK.value() {
                    return Self { falls_back: true, ..Self::unprocessed(error) };
                }
                Self::new(FaultKind::Connection(error))
            }
            Sorted::EarlyDataRejected(error) => Self::unprocessed(error),
            Sorted::Network(error) => {
                let kind = FaultKind::Connection(error);
                Self { kind, repeat: Repeat::IfIdempotent, falls_back: false }
            }
            Sorted::Unresponsive => {
                let kind = FaultKind::Unresponsive;
                Self { kind, repeat: Repeat::IfIdempotent, falls_back: false }
            }
            Sorted::TooLarge => Self::new(FaultKind::HeadTooLarge),
            Sorted::Malformed(what) => Self::new(FaultKind::Malformed(what.into())),
        }
    }

    /// Nothing comes from the server any more.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.kind, FaultKind::Unresponsive)
    }

    /// The connection is of no use any more.
    pub(crate) fn is_of_connection(&self) -> bool {
        match &self.kind {
            FaultKind::Unresponsive => true,
            FaultKind::Connection(error) => {
                !matches!(error.kind(), ErrorKind::StreamReset { .. }) && !error.is_temporary()
            }
            _ => false,
        }
    }
}

/// What an error means for the body that it cut short.
pub(super) fn of_body(error: &StreamError, link: &Link) -> BodyError {
    match sort(error, link) {
        Sorted::Reset(code) => {
            let kind = ErrorKind::StreamReset { code, by: Initiator::Peer };
            BodyError::Connection(kind.into())
        }
        Sorted::Network(error) | Sorted::EarlyDataRejected(error) => BodyError::Connection(error),
        Sorted::Unresponsive => {
            let text = "nothing comes from the server any more";
            BodyError::Connection(Error::with_message(ErrorKind::TimedOut, text))
        }
        Sorted::TooLarge => BodyError::Malformed("the trailers are larger than allowed"),
        Sorted::Malformed(_) => BodyError::Malformed("the server broke the rules of HTTP/3"),
    }
}

enum Sorted {
    /// The server broke the stream off.
    Reset(u64),
    Network(Error),
    EarlyDataRejected(Error),
    Unresponsive,
    TooLarge,
    Malformed(String),
}

fn sort(error: &StreamError, link: &Link) -> Sorted {
    match error {
        StreamError::RemoteTerminate { code, .. } => Sorted::Reset(code.value()),
        StreamError::HeaderTooBig { .. } => Sorted::TooLarge,
        StreamError::RemoteClosing { .. } => Sorted::Network(ErrorKind::Closed.into()),
        StreamError::ConnectionError { 0: connection, .. } => {
            // What the library knows of its end says most: also who ended it.
            let known = failure(error).or_else(|| link.why_closed());
            match known {
                Some(known) if known.is_timeout() => Sorted::Unresponsive,
                Some(known) => match known.kind() {
                    ErrorKind::Application { code, by: Initiator::Local, .. }
                        if *code != Code::H3_NO_ERROR.value() =>
                    {
                        Sorted::Malformed(connection.to_string())
                    }
                    _ => Sorted::Network(known),
                },
                None => match connection {
                    ConnectionError::Timeout { .. } => Sorted::Unresponsive,
                    ConnectionError::Remote {
                        0: ConnectionErrorIncoming::ApplicationClose { error_code },
                        ..
                    } => {
                        let reason = bytes::Bytes::new();
                        let by = Initiator::Peer;
                        let kind = ErrorKind::Application { code: *error_code, reason, by };
                        Sorted::Network(kind.into())
                    }
                    other => Sorted::Malformed(other.to_string()),
                },
            }
        }
        other => match failure(other) {
            Some(error) if *error.kind() == ErrorKind::EarlyDataRejected => {
                Sorted::EarlyDataRejected(error)
            }
            Some(error) => Sorted::Network(error),
            None => Sorted::Malformed(other.to_string()),
        },
    }
}
