//! HTTP/2: hyper's, over any connection.

mod config;
pub(crate) mod server;

pub use self::config::Http2Config;
