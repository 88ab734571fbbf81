//! HTTP/2: hyper's, over any connection.

pub(crate) mod client;
mod config;
pub(crate) mod server;

pub use self::config::Http2Config;
