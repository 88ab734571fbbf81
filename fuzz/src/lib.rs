//! The codecs of `dipole-http`, and an example's, included as they stand, and what has to hold of them for any bytes.
//!
//! They are no part of their crates' public interfaces, and know nothing of the rest of these: so
//! they can be compiled here as well.

mod client;
mod h3;
mod own_streams;

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

/// Panics where the frames of HTTP/3 are read in two ways.
pub fn http3_frames(input: &[u8]) {
    h3::codec_properties::frames(input);
}

/// Panics where a field section of HTTP/3 says something else when it is encoded again.
pub fn http3_section(input: &[u8]) {
    h3::codec_properties::section(input);
}

/// Panics where settings of HTTP/3 say something else when they are encoded again.
pub fn http3_settings(input: &[u8]) {
    h3::codec_properties::settings(input);
}

/// Panics where `Alt-Svc` is not read soundly.
pub fn alt_svc(input: &[u8]) {
    client::field_properties::alt_svc(input);
}

/// Panics where a frame of the example `own_streams` says something else when it is encoded again.
pub fn own_streams_frames(input: &[u8]) {
    own_streams::frame_properties::frames(input);
}
