//! Network library: TCP and Unix sockets on tokio's event source (epoll, kqueue, IOCP).
//!
//! The default library. One value, [`Tokio`], is both its transport and its dialer.
//!
//! ```
//! use dipole_net::{Addr, ConnExt, Dialer, DialerExt, ListenOptions, Transport};
//! use dipole_tokio::Tokio;
//!
//! # async fn example() -> dipole_net::Result<()> {
//! let listeners = Tokio::new().listen(&"127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
//! let mut conn = Tokio::new().dial_timeout(&listeners[0].local_addr(), None).await?;
//! conn.write_all(b"hello").await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod dialer;
mod listener;
mod socket;
mod transport;

pub use transport::Tokio;
