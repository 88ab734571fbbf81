//! What quinn's errors are in the contract's words.

use dipole_net::{Error, ErrorKind, Initiator, TlsFault};
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

/// A stream that this end broke off.
pub(crate) fn broken_here(code: u64) -> Error {
    Error::new(ErrorKind::StreamReset { code, by: Initiator::Local })
}

/// A stream of early data that the server did not take.
pub(crate) fn early_data_rejected() -> Error {
    ErrorKind::EarlyDataRejected.into()
}
