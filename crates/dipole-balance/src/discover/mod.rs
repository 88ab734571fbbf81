//! Where endpoints come from.
//!
//! Anything does that is a tower [`Discover`](tower::discover::Discover) of addresses: a stream of
//! [`Change`](tower::discover::Change)s. Here are some:
//!
//! | source | for |
//! |---|---|
//! | [`fixed`] | a list |
//! | [`published`] | a list that a task of yours changes: what a registry tells, say |
//! | [`Polled`] | what has to be asked from time to time |
//!
//! `dipole-dns` has a [`Lookup`] by DNS: names with several addresses, and services (SRV).

mod changes;
mod fixed;
mod polled;
mod published;

use self::changes::Changes;
pub use self::fixed::{Fixed, fixed};
pub use self::polled::{Found, Lookup, Polled, Rhythm};
pub use self::published::{Published, Publisher, published};
