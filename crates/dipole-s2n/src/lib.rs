//! Network library: QUIC streams on s2n-quic.

#![forbid(unsafe_code)]
