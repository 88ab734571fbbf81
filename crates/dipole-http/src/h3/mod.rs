//! HTTP/3 (RFC 9114), over any connection of streams.
//!
//! | folder or file | what it is |
//! |---|---|
//! | `client/` | the client's end of a connection |
//! | `codec/` | frames, field sections and settings as bytes in and bytes out |
//! | `server/` | the server's end of a connection |
//! | `control.rs` | the streams of the connection itself, of either end |
//! | `reading.rs` | a message as it comes on its stream |
//! | `writing.rs` | a message as it goes out on its stream |
//! | `upgrade.rs` | a stream as what `hyper::upgrade::on` gives |

pub(crate) mod client;
pub(crate) mod codec;
#[cfg(test)]
mod codec_properties;
mod config;
mod control;
mod reading;
pub(crate) mod server;
mod upgrade;
mod writing;

pub use self::config::Http3Config;
