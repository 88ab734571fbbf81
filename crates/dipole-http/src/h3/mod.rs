//! HTTP/3 (RFC 9114), over any connection of streams.
//!
//! | folder | what it is |
//! |---|---|
//! | `codec/` | frames and integers as bytes in and bytes out |
//! | `quic/` | what the crate `h3` asks of QUIC, over `dyn StreamConn` |

#[allow(dead_code, reason = "server and client are to be built on it")]
pub(crate) mod codec;
#[allow(dead_code, unused_imports, reason = "the client is to be built on it")]
pub(crate) mod quic;
