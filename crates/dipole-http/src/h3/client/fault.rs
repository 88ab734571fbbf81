//! What went wrong, and whether the request may go out again.

use dipole_net::{Error, ErrorKind, Initiator, StreamConn};
use http::StatusCode;

use crate::h2::client::Repeat;
use crate::h3::codec::code;
use crate::h3::codec::fields::SectionFault;
use crate::h3::codec::frames::{self, FrameFault};
use crate::h3::reading::{Ends, ReadFault, Reading};
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
    /// The server takes no extended CONNECT.
    NoTunnels,
    /// The server has not looked at the request, and says so by this status.
    Refused(StatusCode),
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
        Self { repeat: Repeat::Any, ..Self::new(FaultKind::Connection(error)) }
    }

    pub(super) fn malformed(text: &'static str) -> Self {
        Self::new(FaultKind::Malformed(text.into()))
    }

    /// Sorts an error of the network that came in place of a response.
    pub(super) fn of(error: Error) -> Self {
        match error.kind() {
            ErrorKind::StreamReset { code, .. } | ErrorKind::StreamStopped { code } => {
                let code = *code;
                let kind = ErrorKind::StreamReset { code, by: Initiator::Peer };
                match code {
                    code::REQUEST_REJECTED => Self::unprocessed(kind.into()),
                    code::VERSION_FALLBACK => {
                        Self { falls_back: true, ..Self::unprocessed(kind.into()) }
                    }
                    _ => Self::new(FaultKind::Connection(kind.into())),
                }
            }
            ErrorKind::EarlyDataRejected => Self::unprocessed(error),
            _ => match broken_rule(&error) {
                Some(rule) => Self::new(FaultKind::Malformed(rule.into())),
                None if error.is_timeout() => {
                    Self { repeat: Repeat::IfIdempotent, ..Self::new(FaultKind::Unresponsive) }
                }
                None => {
                    let kind = FaultKind::Connection(error);
                    Self { repeat: Repeat::IfIdempotent, ..Self::new(kind) }
                }
            },
        }
    }

    /// Sorts what was wrong with what came in place of a response, and ends what it ends.
    pub(super) fn of_reading(
        fault: ReadFault,
        reading: &mut Reading,
        conn: &dyn StreamConn,
    ) -> Self {
        match fault {
            ReadFault::Network(error) => Self::of(error),
            // More than was asked for; the stream cannot be read on, the connection can.
            ReadFault::Frames(FrameFault::TooLong) | ReadFault::Section(SectionFault::TooLarge) => {
                reading.cancel(code::EXCESSIVE_LOAD);
                Self::new(FaultKind::HeadTooLarge)
            }
            fault => {
                end(&fault, reading, conn);
                Self::malformed(fault.text())
            }
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

/// What a fault means for the body that it cut short; ends what it ends.
pub(super) fn of_body(fault: ReadFault, reading: &mut Reading, conn: &dyn StreamConn) -> BodyError {
    match fault {
        ReadFault::Network(error) if broken_rule(&error).is_some() => {
            BodyError::Malformed("the server broke the rules of HTTP/3")
        }
        ReadFault::Network(error) if error.is_timeout() => {
            let text = "nothing comes from the server any more";
            BodyError::Connection(Error::with_message(ErrorKind::TimedOut, text))
        }
        ReadFault::Network(error) => BodyError::Connection(error),
        ReadFault::Shorter => BodyError::Connection(ErrorKind::Eof.into()),
        fault => {
            end(&fault, reading, conn);
            BodyError::Malformed(match fault {
                ReadFault::Longer => "it is longer than its content-length",
                ReadFault::Frames(FrameFault::TooLong)
                | ReadFault::Section(SectionFault::TooLarge) => {
                    "the trailers are larger than allowed"
                }
                _ => "the server broke the rules of HTTP/3",
            })
        }
    }
}

/// Ends what a fault ends: the connection, or the stream.
fn end(fault: &ReadFault, reading: &mut Reading, conn: &dyn StreamConn) {
    match (fault, fault.ends()) {
        // RFC 9114 4.6: no push was allowed.
        (ReadFault::Unexpected(frames::PUSH_PROMISE), _) => {
            conn.close_with_error(code::ID_ERROR, fault.text().as_bytes());
        }
        (_, Ends::Connection(code)) => conn.close_with_error(code, fault.text().as_bytes()),
        (_, Ends::Message(code)) => reading.cancel(code),
        (_, Ends::Nothing) => {}
    }
}

/// What the server has done for which this end has closed the connection; `None` when it has not.
fn broken_rule(error: &Error) -> Option<String> {
    match error.kind() {
        ErrorKind::Application { code, reason, by: Initiator::Local }
            if *code != code::NO_ERROR =>
        {
            Some(String::from_utf8_lossy(reason).into_owned())
        }
        _ => None,
    }
}
