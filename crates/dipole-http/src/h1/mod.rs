//! HTTP/1.1 (RFC 9112) on a byte stream.

mod body_reader;
mod body_writer;
pub(crate) mod client;
pub(crate) mod codec;
pub(crate) mod server;
