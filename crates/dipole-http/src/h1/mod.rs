//! HTTP/1.1 (RFC 9112) on a byte stream.

mod body_reader;
mod body_writer;
pub(crate) mod client;
pub(crate) mod codec;
#[cfg(test)]
mod codec_properties;
pub(crate) mod server;
