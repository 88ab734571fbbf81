//! What s2n-quic's errors are in the contract's words.

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Initiator, TlsFault};
use s2n_quic::application;
use s2n_quic::connection::Error as ConnectionError;

/// The error of a connection that has ended. `closed_here` is what this end closed it with.
pub(crate) fn connection_error(error: ConnectionError, closed_here: Option<&Error>) -> Error {
    let by = |is_local| if is_local { Initiator::Local } else { Initiator::Peer };
    let kind = match &error {
        ConnectionError::Application { initiator, .. }
        | ConnectionError::Closed { initiator, .. }
            if initiator.is_local() =>
        {
            return closed_here.cloned().unwrap_or_else(|| ErrorKind::Closed.into());
        }
        ConnectionError::Application { error, .. } => ErrorKind::Application {
            code: u64::from(*error),
            // s2n-quic gives its users no reasons.
            reason: Bytes::new(),
            by: Initiator::Peer,
        },
        ConnectionError::Closed { .. } => {
            ErrorKind::Application { code: 0, reason: Bytes::new(), by: Initiator::Peer }
        }
        ConnectionError::Transport { code, initiator, .. } => {
            return transport_error(code.as_u64(), by(initiator.is_local()), error);
        }
        ConnectionError::IdleTimerExpired { .. }
        | ConnectionError::MaxHandshakeDurationExceeded { .. } => ErrorKind::TimedOut,
        ConnectionError::StatelessReset { .. } => ErrorKind::Reset,
        ConnectionError::NoValidPath { .. } => ErrorKind::Unreachable,
        ConnectionError::StreamIdExhausted { .. } => ErrorKind::Exhausted,
        ConnectionError::InvalidConfiguration { .. } => ErrorKind::InvalidInput,
        _ => ErrorKind::Closed,
    };
    Error::with_source(kind, error)
}

/// RFC 9000 section 20.1.
fn transport_error(code: u64, by: Initiator, source: ConnectionError) -> Error {
    const NO_ERROR: u64 = 0x00;
    const CONNECTION_REFUSED: u64 = 0x02;
    const APPLICATION_ERROR: u64 = 0x0c;
    let kind = match code {
        // The second is an application's close in mid-handshake, its code withheld (section 10.2.3).
        NO_ERROR | APPLICATION_ERROR => ErrorKind::Closed,
        CONNECTION_REFUSED => ErrorKind::Refused,
        // CRYPTO_ERROR: an alert of TLS in the lower byte.
        0x0100..=0x01ff => return Error::tls(TlsFault::of_alert(code as u8, by), source),
        _ => ErrorKind::Protocol { code, by },
    };
    Error::with_source(kind, source)
}

/// A code as s2n-quic takes it: the largest there is for one that is too large.
pub(crate) fn application_code(code: u64) -> application::Error {
    const LARGEST: u64 = (1 << 62) - 1;
    application::Error::new(code.min(LARGEST)).unwrap_or(application::Error::UNKNOWN)
}

/// A stream that this end broke off.
pub(crate) fn broken_here(code: u64) -> Error {
    Error::new(ErrorKind::StreamReset { code, by: Initiator::Local })
}
