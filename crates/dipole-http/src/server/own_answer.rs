//! Answers that the server gives in the place of the service, and who is told of them.

use http::StatusCode;

use super::ConnectionInfo;

/// An answer that the server gave in the place of the service: the request broke a rule or a
/// limit, took too long, or its handler failed.
///
/// [`Server::on_own_answer`](crate::Server::on_own_answer) tells of each.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OwnAnswer {
    /// What the client is told.
    pub status: StatusCode,
    /// Why, in words.
    pub reason: &'static str,
    /// How far the request had come.
    pub reached: Reached,
    /// The connection that it came on; `None` for a kind of connection that is not known here.
    pub connection: Option<ConnectionInfo>,
}

/// How far a request had come when the server answered it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reached {
    /// The server alone: no service has seen it, and perhaps no request could be read at all.
    Server,
    /// The service: it failed, or its handler was dropped.
    Service,
}
