//! HTTP/3 (RFC 9114), over any connection of streams.
//!
//! | folder | what it is |
//! |---|---|
//! | `client/` | the client's end of a connection, by the crate `h3` |
//! | `codec/` | frames, field sections and settings as bytes in and bytes out |
//! | `server/` | the server's end of a connection, on `codec/` |
//! | `quic/` | what the crate `h3` asks of QUIC, over `dyn StreamConn` |

pub(crate) mod client;
pub(crate) mod codec;
mod config;
pub(crate) mod quic;
pub(crate) mod server;

pub use self::config::Http3Config;
