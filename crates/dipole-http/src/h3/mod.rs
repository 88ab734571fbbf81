//! HTTP/3 (RFC 9114), over any connection of streams.
//!
//! | folder | what it is |
//! |---|---|
//! | `client/` | the client's end of a connection |
//! | `codec/` | frames and integers as bytes in and bytes out |
//! | `quic/` | what the crate `h3` asks of QUIC, over `dyn StreamConn` |

pub(crate) mod client;
#[allow(dead_code, reason = "the server is to be built on it")]
pub(crate) mod codec;
pub(crate) mod quic;
