//! The codec of `dipole-http`, included as it stands, and what has to hold of it for any bytes.
//!
//! It is no part of that crate's public interface, and it knows nothing of the rest of the crate:
//! so it can be compiled here as well.

#[path = "../../crates/dipole-http/src/h1/codec/mod.rs"]
#[allow(dead_code, reason = "the server and the client use more of it")]
mod codec;
#[path = "../../crates/dipole-http/src/h1/codec_properties.rs"]
mod codec_properties;

/// Panics where a request's head is read in two ways.
pub fn request_head(input: &[u8]) {
    codec_properties::request_head(input);
}

/// Panics where a response's head is read in two ways.
pub fn response_head(input: &[u8]) {
    codec_properties::response_head(input);
}

/// Panics where a chunked body is read in two ways.
pub fn chunked_body(input: &[u8]) {
    codec_properties::chunked_body(input);
}
