//! Network library: a simulated network, in memory, in virtual time, with seeded faults.
//!
//! It is the reference that protocols are tested on. One value, [`Network`], is a network of its
//! own, and both its transport and its dialer; clones are the same network. [`Config`] says how it
//! behaves: latency, where the stream is cut, stalls, resets, how much is under way. By default
//! it is faultless and does not even read a clock.
//!
//! It is a world, where a test wants one: hosts and the ways between them, each way with its own
//! latency, bandwidth and loss; partitions, also one-sided ones; crashes and restarts, which leave
//! peers half-open; wall clocks that jump; datagrams beside streams; and a log of every event. A
//! [`Simulation`] runs a scenario under a seed and says it when the scenario fails.
//!
//! [`Network::streams`] is the second library on the same world: connections of many streams.
//!
//! Time is tokio's: under a paused clock (`tokio::time::pause`, `start_paused`) nothing sleeps in
//! earnest, and the same seed gives the same run. Nothing is spawned; a reader that waits for a
//! byte under way waits for its time itself. Latency and timeouts need a tokio runtime with time,
//! nothing else does.
//!
//! Addresses are `sim:NAME:PORT`. `NAME:PORT` and IP addresses mean places of the simulated
//! network as well, so that `http://alpha:80/` works on it; a `sim:alpha:80` is what `alpha:80`
//! dials. This crate opens no sockets and knows nothing of HTTP or TLS.
//!
//! ```
//! use dipole_net::{ConnExt, DialerExt, ListenOptions, Transport};
//! use dipole_sim::Network;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> dipole_net::Result<()> {
//! let network = Network::default();
//! let addr = "sim:alpha:80".parse().expect("a valid address");
//! let mut listeners = network.listen(&addr, &ListenOptions::default())?;
//!
//! let mut client = network.dial_timeout(&addr, None).await?;
//! client.write_all(b"hello").await?;
//!
//! let incoming = std::future::poll_fn(|cx| listeners[0].poll_accept(cx)).await?;
//! let mut server = incoming.accept().await?.into_bytes().expect("a byte stream");
//! assert_eq!(server.peek(5).await?, b"hello");
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod config;
mod conn;
mod datagram;
mod dialer;
mod faults;
mod host;
mod input;
mod ledger;
mod link;
mod listener;
mod network;
mod output;
mod pipe;
mod place;
mod random;
mod simulation;
mod streams;
mod transport;
mod wait;
mod wire;
mod world;

pub use config::{Config, Datagrams, Loss, Reach, Stall, UnreadAtClose};
pub use conn::SimConn;
pub use datagram::{Datagram, DatagramSocket};
pub use host::Host;
pub use network::{Network, Stats};
pub use simulation::Simulation;
pub use streams::Streams;
pub use world::Jump;
