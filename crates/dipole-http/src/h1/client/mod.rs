//! HTTP/1.1, the client's end of a connection.
//!
//! Whoever asks drives the connection: there is no task of its own and no channel. The future of
//! an exchange writes the request and reads the response's head; the response's body then owns the
//! connection, and gives it back when it has been read to its end.
//!
//! | file | what it does |
//! |---|---|
//! | [`exchange`] | one request out, one response head in |
//! | [`sending`] | a request's body on its way out |
//! | [`receiving`] | a response's body on its way in |
//! | [`lender`] | what becomes of the connection afterwards |
//! | [`upgrade`] | a request that may turn its connection into something else |
//! | [`patience`] | how long to wait |

mod exchange;
mod lender;
mod patience;
mod receiving;
mod sending;
mod upgrade;

use std::time::Duration;

use dipole_net::Conn;

pub(crate) use self::exchange::{Ask, Fault, FaultKind, exchange};
pub(crate) use self::patience::Patience;
pub(crate) use self::sending::{SendFault, Sending};
pub(crate) use self::upgrade::upgrade;
use super::codec::head::HeadLimits;

/// Deadlines and limits of an exchange.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) head: HeadLimits,
    /// From the end of the request to the end of the response's head.
    pub(crate) response_timeout: Option<Duration>,
    /// Between two pieces of the response's body.
    pub(crate) body_timeout: Option<Duration>,
    /// How long 100 (Continue) is waited for.
    pub(crate) continue_timeout: Duration,
}

/// Who a connection is borrowed from: gets it back when it can take another request, and is dropped
/// together with it when it cannot.
pub(crate) trait Keep: Send + Unpin + 'static {
    /// Nothing is unread or unsent on `conn`.
    fn keep(self, conn: Box<dyn Conn>);
}
