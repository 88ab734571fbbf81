//! Pieces between the contract and tokio.
//!
//! For authors of network libraries: [`IoConn`] is a whole [`Conn`](dipole_net::Conn) over anything
//! that reads and writes asynchronously, and [`Input`], [`Output`], [`BufferPool`] and
//! [`OperationTimer`] are what it is made of; [`StreamDeadline`], [`Turnstile`], [`Silent`]
//! and [`deal_to`] are for libraries of streams, [`QuicOptions`] for those over QUIC. For users of tokio's ecosystem: [`AsyncConn`] turns
//! any `Conn` into `AsyncRead + AsyncWrite` and into hyper's `Read + Write`.
//!
//! This crate knows no sockets and no HTTP.
//!
//! ```
//! use dipole_io::{BufferPool, IoConn};
//! use dipole_net::{Addr, ConnExt};
//!
//! # async fn example() -> dipole_net::Result<()> {
//! let (near, mut far) = tokio::io::duplex(1024);
//! let mut conn = IoConn::over(near, Addr::Unnamed, Addr::Unnamed, &BufferPool::default());
//! conn.write_all(b"hello").await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod async_conn;
mod conn;
mod deadline;
mod driven;
mod half;
mod input;
mod output;
mod pool;
mod quic;
mod shards;
mod silent;
mod socket;
mod timer;
mod turnstile;

pub use async_conn::AsyncConn;
pub use conn::IoConn;
pub use deadline::StreamDeadline;
pub use driven::DrivenRuntime;
pub use half::Half;
pub use input::Input;
pub use output::{Output, Pieces};
pub use pool::BufferPool;
pub use quic::{QuicOptions, Retry, broken_here, transport_error};
pub use shards::{Dealer, Hand, deal_to};
pub use silent::{Arriving, Silent};
pub use socket::{Plain, Socket};
pub use timer::OperationTimer;
pub use turnstile::Turnstile;
