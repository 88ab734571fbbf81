//! What quinn's errors are in the contract's words.

use dipole_io::transport_error;
use dipole_net::{Error, ErrorKind, Initiator};
use quinn::{ConnectError, ConnectionError, VarInt};

/// The error of a connection that has ended. `closed_here` is what this end closed it with.
pub(crate) fn connection_error(error: ConnectionError, closed_here: Option<&Error>) -> Error {
    let kind = match &error {
        ConnectionError::LocallyClosed => {
            return closed_here.cloned().unwrap_or_else(|| ErrorKind::Closed.into());
        }
        ConnectionError::ApplicationClosed(close) => {
            return Error::new(ErrorKind::Application {
                code: close.error_code.into_inner(),
                reason: close.reason.clone(),
                by: Initiator::Peer,
            });
        }
        ConnectionError::TimedOut => return ErrorKind::TimedOut.into(),
        ConnectionError::Reset => return ErrorKind::Reset.into(),
        ConnectionError::VersionMismatch => return ErrorKind::VersionMismatch.into(),
        ConnectionError::TransportError(fault) => {
            return transport_error(u64::from(fault.code), Initiator::Local, error);
        }
        ConnectionError::ConnectionClosed(close) => {
            return transport_error(u64::from(close.error_code), Initiator::Peer, error);
        }
        ConnectionError::CidsExhausted => ErrorKind::Exhausted,
    };
    Error::with_source(kind, error)
}

/// Why a dial did not even begin.
pub(crate) fn connect_error(error: ConnectError) -> Error {
    let kind = match &error {
        ConnectError::InvalidServerName(_) | ConnectError::InvalidRemoteAddress(_) => {
            ErrorKind::InvalidInput
        }
        ConnectError::CidsExhausted => ErrorKind::Exhausted,
        ConnectError::UnsupportedVersion | ConnectError::NoDefaultClientConfig => {
            ErrorKind::Unsupported
        }
        ConnectError::EndpointStopping => ErrorKind::Closed,
    };
    Error::with_source(kind, error)
}

/// A code as quinn takes it: the largest there is for one that is too large.
pub(crate) fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

/// A stream of early data that the server did not take.
pub(crate) fn early_data_rejected() -> Error {
    ErrorKind::EarlyDataRejected.into()
}
