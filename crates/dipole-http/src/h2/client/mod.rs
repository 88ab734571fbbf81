//! HTTP/2, the client's end of a connection.
//!
//! Unlike in HTTP/1.1 a connection has a task of its own, for many requests share it. The task ends
//! with its last user, or when nobody has used it for the idle time.
//!
//! | file | what it does |
//! |---|---|
//! | [`link`] | a connection, its task, and how many requests it takes |
//! | [`exchange`] | one request out, one response head in |
//! | [`outgoing`] | a request's body on its way out |
//! | [`receiving`] | a response's body on its way in |
//! | [`fault`] | what went wrong, and whether the request may go out again |

mod config;
mod exchange;
mod fault;
mod link;
mod outgoing;
mod receiving;

pub use self::config::Http2ClientConfig;
pub(crate) use self::exchange::{Question, exchange};
pub(crate) use self::fault::{FaultKind, Repeat};
pub(crate) use self::link::{Link, LinkOptions, LinkTask};
