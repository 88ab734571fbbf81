//! Network library: QUIC streams on s2n-quic (RFC 9000, 9001).
//!
//! One value, [`S2n`], is both its transport and its dialer. What a connection may do is in
//! [`StreamOptions`](dipole_net::StreamOptions), which come with each call; what an endpoint does is
//! in [`QuicOptions`]. One UDP port serves all shards.
//!
//! What s2n-quic has not, so that [`Capabilities`](dipole_net::Capabilities) name it absent:
//!
//! - Migration (S30). A connection does outlive a change of its client's address, but not one between
//!   ports below and above 49152, and systems give clients both; nor a fifth one. Both are built in.
//! - Priorities of streams (S24), and early data (S32): its transport throws away each 0-RTT packet.
//! - Datagrams (S31), without the feature `datagrams`: s2n-quic calls its interface to them unstable, so a
//!   later version of it may need a later version of this crate.
//!
//! Nor does it send the reason of a close, tell a server the client's certificate, write qlog, or say
//! why it refuses a server's certificate: it does so alike for another name and for other faults.
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
#[cfg(feature = "datagrams")]
mod datagrams;
#[cfg(not(feature = "datagrams"))]
#[path = "no_datagrams.rs"]
mod datagrams;
mod dialer;
mod ending;
mod error;
mod events;
mod known;
mod listener;
mod opener;
mod port;
mod receive;
mod send;
mod transport;

pub use dipole_io::{QuicOptions, Retry};
pub use transport::S2n;
