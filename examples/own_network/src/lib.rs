//! Example: a network library of one's own. Its connections are pairs of pipes between two
//! processes of one Linux machine.
//!
//! `docs/own-network-library.md` builds it step by step. It is not for production: a Unix socket
//! does the same with fewer descriptors. It is here because it is short, unlike the libraries that
//! Dipole comes with, and whole: the conformance kit passes, and the HTTP server and client run on
//! it.
//!
//! ```
//! use dipole_net::{ConnExt, DialerExt, ListenOptions, Transport};
//! use own_network::Pipes;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> dipole_net::Result<()> {
//! let pipes = Pipes::new();
//! let anywhere = "pipe:any".parse().expect("an address");
//! let listeners = pipes.listen(&anywhere, &ListenOptions::default())?;
//! let mut conn = pipes.dial_timeout(&listeners[0].local_addr(), None).await?;
//! conn.write_all(b"hello").await?;
//! # Ok(())
//! # }
//! ```

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod address;
mod conn;
mod dialer;
mod listener;
mod offer;
mod transport;

pub use transport::Pipes;
