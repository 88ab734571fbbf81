//! HTTP/3, the client's end of a connection.
//!
//! A connection has a task, for many requests share it: it follows the server's control stream. What
//! is of one request is driven by its future, and then by whoever reads the response's body.
//!
//! | file | what it does |
//! |---|---|
//! | [`link`] | a connection, its task, and how many requests it takes |
//! | [`exchange`] | one request out, one response head in |
//! | [`request`] | a request's head, as HTTP/3 says it |
//! | [`upload`] | a request on its way out, behind its head |
//! | [`receiving`] | a response's body on its way in |
//! | [`fault`] | what went wrong, and whether the request may go out again |

mod config;
mod exchange;
mod fault;
mod link;
mod receiving;
mod request;
mod upload;

pub use self::config::Http3ClientConfig;
pub(crate) use self::exchange::{Early, Manner, exchange};
pub(crate) use self::fault::FaultKind;
pub(crate) use self::link::{Link, LinkOptions, LinkTask, Reserved};
