//! Network library: TCP and Unix sockets on io_uring, for Linux from 6.1 on.
//!
//! One value, [`Uring`], is both its transport and its dialer. A worker of the server has a ring of
//! its own and gives the kernel what is new once each turn, before it waits; accepting and receiving
//! are asked for once and go on, and received bytes are read where the kernel has put them.
//!
//! [`Probe`] says what this machine allows; [`Uring::new`] fails with the reason where it cannot
//! work. [`Uring::counters`] says what was done.
//!
//! ```
//! use dipole_net::{ConnExt, DialerExt, ListenOptions, Transport};
//! use dipole_uring::Uring;
//!
//! # async fn example() -> dipole_net::Result<()> {
//! let uring = Uring::new()?;
//! let listeners = uring.listen(&"127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
//! let mut conn = uring.dial_timeout(&listeners[0].local_addr(), None).await?;
//! conn.write_all(b"hello").await?;
//! # Ok(())
//! # }
//! ```
//!
//! On other systems the crate is empty.

#![deny(unsafe_code)]
#![cfg(target_os = "linux")]

mod conn;
mod counters;
mod dialer;
mod driver;
mod input;
mod link;
mod listener;
mod options;
mod probe;
mod reactor;
#[allow(unsafe_code, reason = "the kernel's side of a ring is reached through pointers")]
mod ring;
mod ring_socket;
mod shared;
mod slots;
mod transport;

pub use counters::Counters;
pub use options::UringOptions;
pub use probe::{Feature, Finding, Need, Probe};
pub use transport::Uring;
