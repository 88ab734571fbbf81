//! The one error type, sorted by what a caller does next.

use std::borrow::Cow;
use std::sync::Arc;
use std::{fmt, io};

use bytes::Bytes;

use crate::TlsFault;

/// The result of a network call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault of the network, of its peer, or of the call; cheap to clone, since some are sticky.
///
/// The same fault has the same [`kind`](Self::kind) on every library. The text is for people;
/// nothing matches on it.
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    source_text: SourceText,
    tls_fault: Option<TlsFault>,
}

/// What the source's text is worth to a reader of this error's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceText {
    /// It comes after the kind, or the message.
    Adds,
    /// It says what the kind says: "connection refused: Connection refused".
    Repeats,
}

/// What happened, by what a caller does next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer ended its side in order; no more bytes will come.
    Eof,
    /// The connection was closed: by this side, or the peer is gone without a reset.
    Closed,
    /// The connection was broken off; bytes under way may be lost.
    Reset,
    /// The timeout that was asked for has passed.
    TimedOut,
    /// Nobody listens at the address.
    Refused,
    /// No way leads to the address.
    Unreachable,
    /// The name has no address.
    UnknownHost,
    /// Somebody else listens at the address.
    AddrInUse,
    /// The address is not one of this machine's.
    AddrNotAvailable,
    /// The operating system forbids it: a low port, a folder's permissions.
    PermissionDenied,
    /// A path of the address does not exist.
    NotFound,
    /// Descriptors or memory have run out for now; try again after something was closed.
    Exhausted,
    /// The peer allows no more streams for now; try again after one has ended.
    StreamLimit,
    /// A stream's sender broke it off with this code.
    StreamReset {
        /// The application's code.
        code: u64,
        /// Who broke it off.
        by: Initiator,
    },
    /// A stream's receiver wants no more of it.
    StreamStopped {
        /// The application's code.
        code: u64,
    },
    /// The peer did not take early data: send it again on a new stream, after the handshake (S32).
    EarlyDataRejected,
    /// The connection was closed by an application, on purpose.
    Application {
        /// The application's code.
        code: u64,
        /// What the application said of it.
        reason: Bytes,
        /// Who closed.
        by: Initiator,
    },
    /// The TLS handshake or a record failed: see [`Error::tls_fault`].
    Tls,
    /// The two ends have no version of the transport protocol in common (S29).
    VersionMismatch,
    /// The transport protocol was broken and the connection ended for it (RFC 9000 section 20.1).
    Protocol {
        /// The protocol's code.
        code: u64,
        /// Who ended the connection.
        by: Initiator,
    },
    /// The library cannot do this at all.
    Unsupported,
    /// The caller's argument is wrong.
    InvalidInput,
    /// Anything else that the operating system reports; the source is the `io::Error`.
    Io,
}

/// Which end did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// This end.
    Local,
    /// The other end.
    Peer,
}

impl Error {
    /// An error of `kind` with no more to say.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self::of(kind, None, None)
    }

    /// An error of `kind` and a sentence for people: what failed, on what.
    #[must_use]
    pub fn with_message(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::of(kind, Some(message.into()), None)
    }

    /// An error of `kind`, caused by `source`.
    #[must_use]
    pub fn with_source(
        kind: ErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::of(kind, None, Some(source.into()))
    }

    /// This error under a sentence that says what was being done: `context: error`.
    #[must_use]
    pub fn context(self, context: impl Into<Cow<'static, str>>) -> Self {
        let kind = self.inner.kind.clone();
        let (message, tls_fault) = (Some(context.into()), self.inner.tls_fault);
        let source: Option<Box<dyn std::error::Error + Send + Sync>> = Some(Box::new(self));
        let source_text = SourceText::Adds;
        Self { inner: Arc::new(Inner { kind, message, source, source_text, tls_fault }) }
    }

    /// An error of kind `Tls`, for this reason, as `source` says in detail.
    #[must_use]
    pub fn tls(
        fault: TlsFault,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let message = match fault {
            TlsFault::Configuration => None,
            fault => Some(Cow::Owned(fault.to_string())),
        };
        let source = Some(source.into());
        let (kind, source_text, tls_fault) = (ErrorKind::Tls, SourceText::Adds, Some(fault));
        Self { inner: Arc::new(Inner { kind, message, source, source_text, tls_fault }) }
    }

    fn of(
        kind: ErrorKind,
        message: Option<Cow<'static, str>>,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let source_text = SourceText::Adds;
        Self { inner: Arc::new(Inner { kind, message, source, source_text, tls_fault: None }) }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// Why TLS failed; `None` on an error of another kind, or where a library does not say.
    #[must_use]
    pub fn tls_fault(&self) -> Option<TlsFault> {
        self.inner.tls_fault
    }

    /// The peer ended its side in order.
    #[must_use]
    pub fn is_eof(&self) -> bool {
        self.inner.kind == ErrorKind::Eof
    }

    /// A timeout has passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.inner.kind == ErrorKind::TimedOut
    }

    /// The same call may succeed later, on the same listener or connection.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::StreamLimit | ErrorKind::Exhausted | ErrorKind::EarlyDataRejected
        )
    }

    /// The connection is over: nothing more can be read or written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(
            self.inner.kind,
            ErrorKind::Closed
                | ErrorKind::Reset
                | ErrorKind::Application { .. }
                | ErrorKind::Protocol { .. }
        )
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl From<io::Error> for Error {
    /// Sorts an operating system's error. Never by its text.
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof => ErrorKind::Eof,
            io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected => ErrorKind::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => ErrorKind::Reset,
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::ConnectionRefused => ErrorKind::Refused,
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown => ErrorKind::Unreachable,
            io::ErrorKind::AddrInUse => ErrorKind::AddrInUse,
            io::ErrorKind::AddrNotAvailable => ErrorKind::AddrNotAvailable,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::NotFound,
            io::ErrorKind::OutOfMemory => ErrorKind::Exhausted,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
            _ if is_descriptor_limit(&error) => ErrorKind::Exhausted,
            _ => ErrorKind::Io,
        };
        // One that somebody has wrapped says something of its own; the system's words are the
        // kind's in others, but where the kind is only the nearest one.
        let is_nearest = matches!(
            kind,
            ErrorKind::Closed
                | ErrorKind::Unreachable
                | ErrorKind::Exhausted
                | ErrorKind::Unsupported
                | ErrorKind::InvalidInput
                | ErrorKind::Io
        );
        let source_text = match error.get_ref() {
            None if !is_nearest => SourceText::Repeats,
            _ => SourceText::Adds,
        };
        let source = Some(error.into());
        let inner = Inner { kind, message: None, source, source_text, tls_fault: None };
        Self { inner: Arc::new(inner) }
    }
}

/// `std` has no stable kind for "too many open files".
fn is_descriptor_limit(error: &io::Error) -> bool {
    const NUMBERS: &[i32] = if cfg!(windows) {
        &[10024] // WSAEMFILE
    } else if cfg!(target_os = "linux") {
        &[23, 24, 105] // ENFILE, EMFILE, ENOBUFS
    } else {
        &[23, 24, 55]
    };
    error.raw_os_error().is_some_and(|number| NUMBERS.contains(&number))
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Eof => io::ErrorKind::UnexpectedEof,
            ErrorKind::Closed => io::ErrorKind::BrokenPipe,
            ErrorKind::Reset | ErrorKind::StreamReset { .. } => io::ErrorKind::ConnectionReset,
            ErrorKind::Application { .. }
            | ErrorKind::StreamStopped { .. }
            | ErrorKind::Protocol { .. } => io::ErrorKind::ConnectionAborted,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Refused => io::ErrorKind::ConnectionRefused,
            ErrorKind::Unreachable => io::ErrorKind::HostUnreachable,
            ErrorKind::AddrInUse => io::ErrorKind::AddrInUse,
            ErrorKind::AddrNotAvailable => io::ErrorKind::AddrNotAvailable,
            ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
            ErrorKind::UnknownHost | ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Unsupported | ErrorKind::VersionMismatch => io::ErrorKind::Unsupported,
            ErrorKind::InvalidInput => io::ErrorKind::InvalidInput,
            ErrorKind::StreamLimit | ErrorKind::EarlyDataRejected => io::ErrorKind::WouldBlock,
            ErrorKind::Exhausted | ErrorKind::Tls | ErrorKind::Io => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Eof => "the peer ended the stream",
            Self::Closed => "the connection is closed",
            Self::Reset => "the connection was reset",
            Self::TimedOut => "timed out",
            Self::Refused => "connection refused",
            Self::Unreachable => "the address cannot be reached",
            Self::UnknownHost => "unknown host",
            Self::AddrInUse => "the address is in use",
            Self::AddrNotAvailable => "the address is not one of this machine",
            Self::PermissionDenied => "permission denied",
            Self::NotFound => "no such path",
            Self::Exhausted => "out of descriptors or memory",
            Self::StreamLimit => "the peer allows no more streams for now",
            Self::StreamReset { code, by: Initiator::Peer } => {
                return write!(f, "the peer reset the stream with code {code:#x}");
            }
            Self::StreamReset { code, by: Initiator::Local } => {
                return write!(f, "the stream was reset here with code {code:#x}");
            }
            Self::StreamStopped { code } => {
                return write!(f, "the peer stopped the stream with code {code:#x}");
            }
            Self::EarlyDataRejected => "the peer did not take early data",
            Self::Application { code, reason, by } => {
                let who = if *by == Initiator::Peer { "the peer" } else { "this side" };
                let reason = String::from_utf8_lossy(reason);
                return write!(f, "{who} closed with code {code:#x} {reason:?}");
            }
            Self::Tls => "TLS failed",
            Self::VersionMismatch => {
                "the peer speaks no version of the protocol that this side does"
            }
            Self::Protocol { code, by } => {
                let who = if *by == Initiator::Peer { "the peer" } else { "this side" };
                return write!(f, "{who} ended the connection for protocol error {code:#x}");
            }
            Self::Unsupported => "not supported by this network library",
            Self::InvalidInput => "invalid argument",
            Self::Io => "I/O error",
        };
        f.write_str(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.inner.message, &self.inner.source) {
            (Some(message), Some(source)) => write!(f, "{message}: {source}"),
            (Some(message), None) => f.write_str(message),
            (None, Some(source)) if self.inner.kind == ErrorKind::Io => source.fmt(f),
            // It says what is wrong, and nothing has failed yet.
            (None, Some(source)) if self.inner.tls_fault == Some(TlsFault::Configuration) => {
                source.fmt(f)
            }
            (None, Some(_)) if self.inner.source_text == SourceText::Repeats => {
                self.inner.kind.fmt(f)
            }
            (None, Some(source)) => write!(f, "{}: {source}", self.inner.kind),
            (None, None) => self.inner.kind.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, source, .. } = &*self.inner;
        let mut debug = f.debug_struct("Error");
        debug.field("kind", kind);
        if let Some(message) = message {
            debug.field("message", message);
        }
        if let Some(source) = source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operating_systems_errors_have_kinds() {
        let kind = |error: io::Error| Error::from(error).kind().clone();
        assert_eq!(kind(io::ErrorKind::BrokenPipe.into()), ErrorKind::Closed);
        assert_eq!(kind(io::ErrorKind::ConnectionReset.into()), ErrorKind::Reset);
        assert_eq!(kind(io::ErrorKind::AddrInUse.into()), ErrorKind::AddrInUse);
        #[cfg(unix)]
        assert_eq!(kind(io::Error::from_raw_os_error(24)), ErrorKind::Exhausted);
    }

    #[test]
    fn context_keeps_kind_and_source() {
        let error = Error::from(io::Error::from(io::ErrorKind::AddrInUse)).context("listen");
        assert_eq!(error.kind(), &ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with("listen: the address is in use"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_without_ado() {
        let error = Error::tls(TlsFault::Configuration, "there is no key in it");
        assert_eq!(error.to_string(), "there is no key in it");
        assert_eq!(error.context("a.pem").to_string(), "a.pem: there is no key in it");
        let error = Error::tls(TlsFault::Expired, "yesterday");
        assert_eq!(error.to_string(), "the certificate has expired: yesterday");
    }

    #[test]
    fn nothing_is_said_twice_and_nothing_is_left_out() {
        let text = |error: io::Error| Error::from(error).to_string();
        assert_eq!(text(io::ErrorKind::ConnectionRefused.into()), "connection refused");
        #[cfg(target_os = "linux")]
        for (number, expected) in [
            (111, "connection refused"),
            (104, "the connection was reset"),
            (98, "the address is in use"),
            (2, "no such path"),
            (24, "out of descriptors or memory: Too many open files (os error 24)"),
            (101, "the address cannot be reached: Network is unreachable (os error 101)"),
            (5, "Input/output error (os error 5)"),
        ] {
            assert_eq!(text(io::Error::from_raw_os_error(number)), expected);
        }
        let told = io::Error::new(io::ErrorKind::ConnectionRefused, "the proxy would not");
        assert_eq!(text(told), "connection refused: the proxy would not");
        let refused = Error::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(refused.context("dial").to_string(), "dial: connection refused");
    }

    #[test]
    fn a_result_is_one_word() {
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }
}
