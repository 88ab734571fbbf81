//! What s2n-quic's errors are in the contract's words.

use bytes::Bytes;
use dipole_io::transport_error;
use dipole_net::{Error, ErrorKind, Initiator};
use s2n_quic::application;
use s2n_quic::connection::Error as ConnectionError;

/// The error of a connection that has ended. `closed_here` is what this end closed it with, `reason`
/// what the peer gave as its own.
pub(crate) fn connection_error(
    error: ConnectionError,
    closed_here: Option<&Error>,
    reason: Bytes,
) -> Error {
    let by = |is_local| if is_local { Initiator::Local } else { Initiator::Peer };
    let kind = match &error {
        ConnectionError::Application { initiator, .. }
        | ConnectionError::Closed { initiator, .. }
            if initiator.is_local() =>
        {
            return closed_here.cloned().unwrap_or_else(|| ErrorKind::Closed.into());
        }
        ConnectionError::Application { error, .. } => {
            ErrorKind::Application { code: u64::from(*error), reason, by: Initiator::Peer }
        }
        ConnectionError::Closed { .. } => {
            ErrorKind::Application { code: 0, reason, by: Initiator::Peer }
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

/// A code as s2n-quic takes it: the largest there is for one that is too large.
pub(crate) fn application_code(code: u64) -> application::Error {
    const LARGEST: u64 = (1 << 62) - 1;
    application::Error::new(code.min(LARGEST)).unwrap_or(application::Error::UNKNOWN)
}
