//! HTTP/3 as bytes in and bytes out: no await, no lock, no clock.

pub(crate) mod code;
pub(crate) mod frames;
pub(crate) mod integer;
