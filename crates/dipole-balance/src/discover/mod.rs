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
//! | `Dns` (feature `dns`) | names with several addresses, and services (SRV) |

mod changes;
#[cfg(feature = "dns")]
mod dns;
mod fixed;
mod polled;
mod published;

use self::changes::Changes;
#[cfg(feature = "dns")]
pub use self::dns::Dns;
pub use self::fixed::{Fixed, fixed};
pub use self::polled::{Found, Lookup, Polled, Rhythm};
pub use self::published::{Published, Publisher, published};
