//! HTTP/3's codec.

#[path = "../../crates/dipole-http/src/h3/codec/mod.rs"]
#[allow(dead_code, reason = "the server and the client use more of it")]
mod codec;
#[path = "../../crates/dipole-http/src/h3/codec_properties.rs"]
pub(crate) mod codec_properties;
