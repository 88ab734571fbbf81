//! Network library: QUIC streams on s2n-quic (RFC 9000, 9001).
//!
//! **Unfinished**: `tests/conformance.rs` lists the statements of the contract that it does not keep
//! yet, so neither the crate `dipole` nor the command offers it.
//!
//! One value, [`S2n`], is both its transport and its dialer. What a connection may do is in
//! [`StreamOptions`](dipole_net::StreamOptions), which come with each call. One UDP port serves all
//! shards.
//!
//! ```
//! use dipole_net::{DialOptions, DialerExt, ListenOptions, SendStreamExt, Transport};
//! use dipole_s2n::S2n;
//!
//! # async fn example(
//! #     server: dipole_tls::ServerTls,
//! #     client: dipole_tls::ClientTls,
//! # ) -> dipole_net::Result<()> {
//! let s2n = S2n::new(server, client);
//! let listeners = s2n.listen(&"127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
//! let conn = s2n.dial_streams(&listeners[0].local_addr(), &DialOptions::default()).await?;
//! let mut stream = conn.open_stream_sync().await?;
//! stream.send.write_all(b"hello").await?;
//! stream.send.close().await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod arrivals;
mod config;
mod conn;
mod dialer;
mod error;
mod listener;
mod port;
mod receive;
mod send;
mod transport;

pub use transport::S2n;
