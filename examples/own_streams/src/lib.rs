//! Example: a network library of streams of one's own, unlike QUIC: many streams with flow control
//! over one byte stream, of whatever library makes byte streams.
//!
//! `docs/own-network-library.md` says how it came about. It is not for production: one lost packet
//! of a TCP connection holds up all of its streams, and there is no other library that speaks its
//! protocol. It is here because it is short and whole: the conformance kit passes, and HTTP/3 of
//! Dipole runs on it.
//!
//! ```
//! use dipole_net::{DialOptions, DialerExt, ListenOptions, SendStreamExt, Transport};
//! use dipole_sim::Network;
//! use own_streams::Mux;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> dipole_net::Result<()> {
//! let network = Network::default();
//! let mux = Mux::over(network.clone(), network);
//! let address = "sim:alpha:0".parse().expect("an address");
//! let mut listeners = mux.listen(&address, &ListenOptions::default())?;
//! let address = listeners[0].local_addr();
//! let accepting = tokio::spawn(async move {
//!     let incoming = std::future::poll_fn(|cx| listeners[0].poll_accept(cx)).await?;
//!     let conn = incoming.accept().await?.into_streams().expect("streams");
//!     conn.accept_uni_stream().await
//! });
//! let conn = mux.dial_streams(&address, &DialOptions::default()).await?;
//! conn.open_uni_stream()?.write_all(b"hello").await?;
//! # drop((accepting, conn));
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod arriving;
mod conn;
mod dialer;
mod driver;
mod frame;
#[cfg(test)]
mod frame_properties;
mod halves;
mod handshake;
mod leaving;
mod listener;
mod pieces;
mod receive;
mod send;
mod session;
mod state;
mod stream;
mod transport;

pub use transport::Mux;
