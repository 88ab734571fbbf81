//! Network library: QUIC streams on quinn (RFC 9000, 9001, 9221).
//!
//! One value, [`Quinn`], is both its transport and its dialer. What a connection may do is in
//! [`StreamOptions`](dipole_net::StreamOptions), which come with each call; what an endpoint does is
//! in [`QuicOptions`]. One UDP port serves all shards. Its sockets are the system's, or those of a
//! network that is given ([`Quinn::over`]): the simulated one, in tests.
//!
//! ```
//! use dipole_net::{DialOptions, DialerExt, ListenOptions, SendStreamExt, Transport};
//! use dipole_quinn::Quinn;
//!
//! # async fn example(
//! #     server: dipole_tls::ServerTls,
//! #     client: dipole_tls::ClientTls,
//! # ) -> dipole_net::Result<()> {
//! let quinn = Quinn::new(server, client);
//! let listeners = quinn.listen(&"127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
//! let conn = quinn.dial_streams(&listeners[0].local_addr(), &DialOptions::default()).await?;
//! let mut stream = conn.open_stream_sync().await?;
//! stream.send.write_all(b"hello").await?;
//! stream.send.close().await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod arrivals;
mod config;
mod congestion;
mod conn;
mod dialer;
mod error;
mod handshake;
mod listener;
mod offload;
mod port;
mod receive;
mod send;
mod sockets;
mod transport;

pub use dipole_io::{QuicOptions, Retry};
pub use offload::Offload;
pub use sockets::{DatagramSocket, Sockets};
pub use transport::Quinn;
