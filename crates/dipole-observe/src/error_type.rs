//! What went wrong, in one word.

use std::borrow::Cow;
use std::convert::Infallible;

use dipole_http::{ClientError, ClientErrorKind, Deadline};

/// The value of `error.type` for an error: one word of a small set, for it becomes a label.
pub trait ErrorType {
    /// The word.
    fn error_type(&self) -> Cow<'static, str>;
}

impl ErrorType for Infallible {
    fn error_type(&self) -> Cow<'static, str> {
        match *self {}
    }
}

impl ErrorType for Box<dyn std::error::Error + Send + Sync> {
    /// The conventions' word for what has no better one.
    fn error_type(&self) -> Cow<'static, str> {
        "_OTHER".into()
    }
}

impl ErrorType for ClientError {
    fn error_type(&self) -> Cow<'static, str> {
        let word = match (self.kind(), self.deadline()) {
            (_, Some(Deadline::Pool)) => "pool_timeout",
            (_, Some(Deadline::Dial)) => "dial_timeout",
            (_, Some(Deadline::Handshake)) => "handshake_timeout",
            (_, Some(Deadline::Write)) => "write_timeout",
            (_, Some(Deadline::Response)) => "response_timeout",
            (_, Some(Deadline::Request)) => "request_timeout",
            (ClientErrorKind::Request, _) => "bad_request",
            (ClientErrorKind::Connect, _) => "connect",
            (ClientErrorKind::Connection, _) => "connection",
            (ClientErrorKind::TimedOut, _) => "timeout",
            (ClientErrorKind::Response, _) => "bad_response",
            (ClientErrorKind::RequestBody, _) => "request_body",
            (ClientErrorKind::Layer, _) => "layer",
            _ => "_OTHER",
        };
        word.into()
    }
}
