//! The contract's errors in the words of `h3`, and back.

use std::error::Error as StdError;
use std::sync::Arc;

use dipole_net::{Error, ErrorKind};
use h3::error::{ConnectionError, StreamError};
use h3::quic::{ConnectionErrorIncoming, StreamErrorIncoming};

/// The error of a stream, or of the connection under it.
pub(super) fn stream_error(error: Error) -> StreamErrorIncoming {
    match error.kind() {
        ErrorKind::StreamReset { code, .. } | ErrorKind::StreamStopped { code } => {
            StreamErrorIncoming::StreamTerminated { error_code: *code }
        }
        // The stream's alone.
        ErrorKind::EarlyDataRejected => StreamErrorIncoming::Unknown(Box::new(error)),
        _ => {
            let connection_error = connection_error(error);
            StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
        }
    }
}

/// The error of a connection.
pub(super) fn connection_error(error: Error) -> ConnectionErrorIncoming {
    match error.kind() {
        ErrorKind::Application { code, .. } => {
            ConnectionErrorIncoming::ApplicationClose { error_code: *code }
        }
        ErrorKind::TimedOut => ConnectionErrorIncoming::Timeout,
        _ => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

/// The network's own error in what `h3` says of a request; `None` when it is of HTTP/3 itself.
pub(crate) fn failure(error: &StreamError) -> Option<Error> {
    match error {
        StreamError::ConnectionError { 0: error, .. } => match error {
            ConnectionError::Remote { 0: ConnectionErrorIncoming::Undefined(source), .. } => {
                known(source.as_ref())
            }
            ConnectionError::Timeout { .. } => Some(ErrorKind::TimedOut.into()),
            _ => None,
        },
        StreamError::Undefined { 0: source, .. } => known(source.as_ref()),
        _ => None,
    }
}

fn known(source: &(dyn StdError + 'static)) -> Option<Error> {
    source.downcast_ref::<Error>().cloned()
}
