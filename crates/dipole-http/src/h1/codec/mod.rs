//! HTTP/1.1 as bytes in and bytes out (RFC 9112): no waiting, no locks, no clock.
//!
//! | file | what it does |
//! |---|---|
//! | [`head`] | finds where a head ends, in bytes that come bit by bit |
//! | [`request`] | a whole head into a request |
//! | [`response`] | a whole head into a response |
//! | [`target`] | the four forms of a request target, and `Host` |
//! | [`fields`] | the field lines of a head or of trailers into a `HeaderMap` |
//! | [`memo`] | field sections that came before are not parsed again |
//! | [`answer_memo`] | heads of answers that went before are not written again |
//! | [`names`] | well-known field names without hashing or allocation |
//! | [`framing`] | where the body ends (RFC 9112 section 6.3) |
//! | [`chunked`] | the chunked coding, decoded over borrowed bytes |
//! | [`trailers`] | which fields may come after a body |
//! | [`encode`] | heads, chunks and trailers into bytes |
//! | [`reject`] | why a message is refused, and the answer that says so |
//! | [`scan`] | finds one byte, fast, and hashes |

pub(crate) mod answer_memo;
pub(crate) mod chunked;
pub(crate) mod encode;
pub(crate) mod fields;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod memo;
mod names;
pub(crate) mod reject;
pub(crate) mod request;
pub(crate) mod response;
mod scan;
mod target;
mod trailers;
