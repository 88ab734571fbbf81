//! Network library: QUIC streams on quinn.

#![forbid(unsafe_code)]
