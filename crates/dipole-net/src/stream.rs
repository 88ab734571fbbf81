//! A connection of many streams, such as QUIC's (RFC 9000).

use std::any::Any;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use crate::{Addr, BoxFuture, Error, Result};

/// The sending half of a stream.
pub type BoxSend = Box<dyn SendStream>;
/// The receiving half of a stream.
pub type BoxReceive = Box<dyn ReceiveStream>;

/// A bidirectional stream: two halves that live apart (S22).
pub struct Stream {
    /// To the peer.
    pub send: BoxSend,
    /// From the peer.
    pub receive: BoxReceive,
}

/// A connection of many streams. Its calls take `&self`: streams are opened and accepted from
/// several tasks at once. Dropping every handle closes the connection (S34).
pub trait StreamConn: Send + Sync {
    /// The peer's next bidirectional stream, once it carries data, its end or a reset (S7).
    ///
    /// # Errors
    /// The connection's error, when it ends (S9).
    ///
    /// # Cancel safety
    /// Dropping the future loses no stream (S8).
    fn accept_stream(&self) -> BoxFuture<'_, Result<Stream>>;

    /// The peer's next unidirectional stream; as `accept_stream`.
    ///
    /// # Errors
    /// The connection's error, when it ends (S9).
    fn accept_uni_stream(&self) -> BoxFuture<'_, Result<BoxReceive>>;

    /// Opens a bidirectional stream without waiting; sends nothing by itself (S1).
    ///
    /// # Errors
    /// `StreamLimit`, which is temporary, when the peer allows no more (S3).
    fn open_stream(&self) -> Result<Stream>;

    /// Opens a bidirectional stream, waiting for the peer's credit, first come first served (S4).
    ///
    /// # Errors
    /// The connection's error, when it ends (S9).
    ///
    /// # Cancel safety
    /// Dropping the future keeps its credit free for others (S4).
    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>>;

    /// Opens a unidirectional stream without waiting.
    ///
    /// # Errors
    /// As `open_stream`.
    fn open_uni_stream(&self) -> Result<BoxSend>;

    /// Opens a unidirectional stream, waiting for the peer's credit.
    ///
    /// # Errors
    /// As `open_stream_sync`.
    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>>;

    /// Ends when the handshake has, well or badly (S28).
    ///
    /// # Errors
    /// What the handshake failed with.
    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>>;

    /// Ends when the connection has, and says why.
    fn closed(&self) -> BoxFuture<'_, Error>;

    /// Closes the connection: both ends see `Application` with this code and reason; the first
    /// close wins, and everything pending ends (S25).
    fn close_with_error(&self, code: u64, reason: &[u8]);

    /// The QUIC version in use: 1, or 0x6b3343cf for version 2 (S29).
    fn version(&self) -> u32;

    /// This end's address (S30).
    fn local_addr(&self) -> Addr;

    /// The other end's address; follows a migration (S30).
    fn peer_addr(&self) -> Addr;

    /// The library's own connection, for what is outside the contract: datagrams, statistics.
    fn raw(&self) -> &dyn Any;
}

/// Receives one stream.
pub trait ReceiveStream: Send {
    /// The stream's number (RFC 9000 section 2.1; S2).
    fn id(&self) -> u64;

    /// The next bytes, in order (S10); `None` at the stream's end, each time (S11).
    ///
    /// # Errors
    /// `StreamReset` when the peer broke it off (S14), `TimedOut` past the deadline, with no data
    /// lost (S12), or the connection's error.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>>;

    /// Asks the peer to stop sending (STOP_SENDING); later reads fail. Twice, or after the end, it
    /// does nothing (S13).
    fn cancel_read(&mut self, code: u64);

    /// Until when a read may wait; acts on a pending one too. `None` is no limit (S12).
    fn set_read_deadline(&mut self, deadline: Option<Instant>);
}

/// Sends one stream.
pub trait SendStream: Send {
    /// The stream's number (RFC 9000 section 2.1; S2).
    fn id(&self) -> u64;

    /// Takes some of `data`, at least one byte unless it is empty; the caller's buffer is its own
    /// again at once (S16). Waits at the peer's flow-control limit (S17).
    ///
    /// # Errors
    /// `StreamStopped` when the peer wants no more (S21), `TimedOut` past the deadline, with a
    /// resume that is exact (S18), or the connection's error.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>>;

    /// Ends the stream after its data (FIN). Twice is fine; a later write fails (S19).
    ///
    /// # Errors
    /// As `poll_write`.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Breaks the stream off (RESET_STREAM); pending and later writes fail. Twice, or after the
    /// end, it does nothing (S20).
    fn cancel_write(&mut self, code: u64);

    /// Ready with the peer's code when it wants no more of this stream (S21); `None` when the
    /// stream ended well.
    ///
    /// # Errors
    /// The connection's error.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>>;

    /// Until when a write may wait; acts on a pending one too. `None` is no limit.
    fn set_write_deadline(&mut self, deadline: Option<Instant>);

    /// Which of several streams goes first; higher is sooner, 0 is the default (S24).
    fn set_priority(&mut self, priority: i32);
}
