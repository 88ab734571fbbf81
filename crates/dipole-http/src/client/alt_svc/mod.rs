//! Where else an origin can be reached (RFC 7838).
//!
//! | file | what it does |
//! |---|---|
//! | [`field`] | reads the field `Alt-Svc`: bytes in, values out |
//! | [`cache`] | remembers what origins have said, and what has failed; knows no clock |

mod cache;
mod field;
#[cfg(test)]
mod field_properties;

pub(super) use self::cache::{Alternative, Cache, CacheLimits};
pub(super) use self::field::read;
