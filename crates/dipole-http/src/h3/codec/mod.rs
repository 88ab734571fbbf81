//! HTTP/3 as bytes in and bytes out: no await, no lock, no clock.

pub(crate) mod code;
pub(crate) mod fields;
pub(crate) mod frames;
mod huffman;
pub(crate) mod instructions;
pub(crate) mod integer;
mod prefixed;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod settings;
mod static_table;
