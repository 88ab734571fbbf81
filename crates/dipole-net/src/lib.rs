//! The contract between an HTTP stack and the network library under it.
//!
//! A network library is a value. It carries bytes by implementing the traits of this crate, and
//! whatever speaks HTTP above knows nothing else of it:
//!
//! | trait | what it is |
//! |---|---|
//! | [`Transport`] | makes listeners for an address |
//! | [`Listener`] | gives incoming connections |
//! | [`Dialer`] | makes outgoing connections |
//! | [`Conn`] | one connection that is an ordered stream of bytes (TCP, Unix sockets, TLS) |
//! | [`StreamConn`] | one connection that carries many streams (QUIC) |
//! | [`TlsLayer`] | secures a [`Conn`] that is there |
//!
//! The connection owns its buffers: a reader peeks, skips and releases; a writer asks for room and
//! flushes. No caller's buffer is ever lent to the kernel, so any future may be dropped at any
//! await: no byte is lost, and no memory in use is freed.
//!
//! This crate knows no runtime, no sockets, no TLS, no QUIC and no HTTP: `std` and `bytes` alone.
//! Each MUST names the case of the conformance kit that judges it, as in (B7).
//!
//! ```
//! use dipole_net::{Conn, ConnExt, Result};
//!
//! /// Echoes lines until the peer ends its side.
//! async fn echo_lines(conn: &mut dyn Conn) -> Result<()> {
//!     loop {
//!         match conn.read_byte().await {
//!             Ok(b'\n') => conn.flush().await?,
//!             Ok(byte) => conn.put(&[byte]),
//!             Err(error) if error.is_eof() => return conn.shutdown().await,
//!             Err(error) => return Err(error),
//!         }
//!     }
//! }
//! ```

#![forbid(unsafe_code)]

mod addr;
mod capabilities;
mod closer;
mod conn;
mod conn_ext;
mod datagrams;
mod dialer;
mod driver;
mod error;
mod incoming;
#[cfg(unix)]
mod listening_socket;
mod stream;
mod stream_ext;
mod stream_options;
mod tls;
mod transport;

pub use addr::{Addr, ParseAddrError};
pub use capabilities::Capabilities;
pub use closer::Closer;
pub use conn::{Conn, ConnStats, Side};
pub use conn_ext::ConnExt;
pub use datagrams::Datagrams;
pub use dialer::{DialOptions, Dialer, DialerExt};
pub use driver::Driver;
pub use error::{Error, ErrorKind, Initiator, Result};
pub use incoming::{Connection, Incoming};
#[cfg(unix)]
pub use listening_socket::{Keepsake, ListeningSocket};
pub use stream::{
    BoxReceive, BoxSend, ReceiveStream, SendStream, Stream, StreamConn, StreamConnStats,
};
pub use stream_ext::{ReceiveStreamExt, SendStreamExt};
pub use stream_options::StreamOptions;
pub use tls::{TlsFault, TlsInfo, TlsLayer, TlsOptions};
pub use transport::{KeepAlive, ListenOptions, Listener, Transport};

/// A boxed future, for the rare calls: dialling, accepting a stream, a handshake.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
