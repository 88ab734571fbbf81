//! A connection of many streams, such as QUIC's (RFC 9000).

use std::fmt;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use crate::{Addr, BoxFuture, Datagrams, Error, Result, TlsInfo};

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

/// A connection of many streams.
///
/// Its calls take `&self`: streams are opened and accepted from several tasks at once, most often
/// through an `Arc`. Dropping the connection and all its streams closes it with code 0 and without
/// a reason (S34).
///
/// **Errors.** An error of the connection is given by every call on it and on its streams, again
/// each time: `Application` after a close by either end (S25), `TimedOut` when nothing came for too
/// long (S26), `Reset` when the peer has forgotten the connection, `Protocol` when the transport
/// protocol was broken. What had arrived on a stream before may be lost.
///
/// **Codes** of applications are below 2^62 (RFC 9000 section 16); a library takes a larger one as
/// the largest.
pub trait StreamConn: Send + Sync {
    /// The peer's next bidirectional stream, once it carries data, its end or a reset (S7).
    /// Several may wait at once; each stream goes to one of them.
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
    /// `StreamLimit`, which is temporary, when the peer allows no more (S3) or others wait for its
    /// credit (S4); the connection's error, when it has ended.
    fn open_stream(&self) -> Result<Stream>;

    /// Opens a bidirectional stream, waiting for the peer's credit, first come first served in the
    /// order of the futures' first polls (S4).
    ///
    /// # Errors
    /// The connection's error, when it ends (S9).
    ///
    /// # Cancel safety
    /// Dropping the future keeps its credit free for others (S4).
    fn open_stream_sync(&self) -> BoxFuture<'_, Result<Stream>>;

    /// Opens a unidirectional stream without waiting. Its limit is its own (S5).
    ///
    /// # Errors
    /// As `open_stream`.
    fn open_uni_stream(&self) -> Result<BoxSend>;

    /// Opens a unidirectional stream, waiting for the peer's credit.
    ///
    /// # Errors
    /// As `open_stream_sync`.
    fn open_uni_stream_sync(&self) -> BoxFuture<'_, Result<BoxSend>>;

    /// Ends when the handshake has, well or badly (S28). A connection with early data is there
    /// before; any other one has done its handshake.
    ///
    /// # Errors
    /// What the handshake failed with.
    fn handshake_complete(&self) -> BoxFuture<'_, Result<()>>;

    /// Ends when the connection has, and says why.
    fn closed(&self) -> BoxFuture<'_, Error>;

    /// Closes the connection: both ends see `Application` with this code and reason; the first
    /// close wins, and everything pending ends (S25). A long reason may be cut, so that it fits
    /// into one packet; a library that cannot send reasons gives the peer an empty one.
    fn close_with_error(&self, code: u64, reason: &[u8]);

    /// The QUIC version in use: 1, or 0x6b3343cf for version 2 (S29); 0 for what is not QUIC.
    fn version(&self) -> u32;

    /// This end's address (S30). Stays after the connection's end.
    fn local_addr(&self) -> Addr;

    /// The other end's address; follows a migration (S30). Stays after the connection's end.
    fn peer_addr(&self) -> Addr;

    /// What the TLS handshake found; `None` before its end and where there is no TLS.
    fn tls(&self) -> Option<&TlsInfo> {
        None
    }

    /// Datagrams beside the streams; `None` where the library has none or they were not asked for
    /// ([`StreamOptions::datagram_queue`](crate::StreamOptions::datagram_queue)).
    fn datagrams(&self) -> Option<&dyn Datagrams> {
        None
    }

    /// What this connection has moved, and how its path is.
    fn stats(&self) -> StreamConnStats;
}

/// What a connection of streams has moved, and how its path is. What a library does not count, is
/// zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamConnStats {
    /// Bytes taken from the network since the connection began, with everything around the data.
    pub received: u64,
    /// Bytes given to the network since the connection began, with everything around the data.
    pub sent: u64,
    /// Packets sent and taken for lost.
    pub lost_packets: u64,
    /// The time to the peer and back, as estimated now.
    pub round_trip: Duration,
}

impl fmt::Debug for dyn StreamConn + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConn")
            .field("local", &self.local_addr())
            .field("peer", &self.peer_addr())
            .finish_non_exhaustive()
    }
}

/// Receives one stream. Dropped before its end, it stops the peer with code 0.
pub trait ReceiveStream: Send {
    /// The stream's number (RFC 9000 section 2.1; S2).
    fn id(&self) -> u64;

    /// The next bytes, in order and never empty (S10); `None` at the stream's end, each time (S11).
    ///
    /// # Errors
    /// `StreamReset` by the peer when it broke the stream off (S14), by this end after
    /// [`cancel_read`](Self::cancel_read) (S13); `TimedOut` past the deadline, with no data lost
    /// (S12): data that is there beats an expired deadline. Or the connection's error.
    ///
    /// # Cancel safety
    /// May be given up at any time.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>>;

    /// Asks the peer to stop sending (STOP_SENDING); later reads fail. Twice, or after the end, it
    /// does nothing (S13).
    fn cancel_read(&mut self, code: u64);

    /// Until when a read may wait; acts on a pending one too. `None`, the default, is no limit
    /// (S12).
    fn set_read_deadline(&mut self, deadline: Option<Instant>);

    /// True when bytes of this stream came as early data, which may be replayed (S32).
    fn is_early_data(&self) -> bool {
        false
    }
}

/// Sends one stream. Dropped before [`poll_close`](Self::poll_close), it is broken off with code 0
/// (S20): what was cut short must never look whole.
pub trait SendStream: Send {
    /// The stream's number (RFC 9000 section 2.1; S2).
    fn id(&self) -> u64;

    /// Takes some of `data`, at least one byte unless it is empty; the caller's buffer is its own
    /// again at once (S16). Waits at the peer's flow-control limit (S17). What was taken is sent
    /// without any flush.
    ///
    /// # Errors
    /// `StreamStopped` when the peer wants no more (S21), `StreamReset` by this end after
    /// [`cancel_write`](Self::cancel_write) (S20), `Closed` after `poll_close` (S19), `TimedOut`
    /// past the deadline, with a resume that is exact (S18), or the connection's error.
    ///
    /// # Cancel safety
    /// A pending poll has taken nothing.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize>>;

    /// As [`poll_write`](Self::poll_write), and takes from the front of `data` what it takes,
    /// without a copy where the library can.
    ///
    /// # Errors
    /// As `poll_write`; `data` is unchanged.
    fn poll_write_bytes(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize>> {
        let taken = self.poll_write(cx, data);
        if let Poll::Ready(Ok(taken)) = taken {
            data.advance(taken);
        }
        taken
    }

    /// Ends the stream after its data (FIN); ready when that is queued, before the peer has it.
    /// Twice is fine; a later write fails (S19).
    ///
    /// # Errors
    /// As `poll_write`.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Breaks the stream off (RESET_STREAM); pending and later writes fail. Twice, or after the
    /// end, it does nothing (S20).
    fn cancel_write(&mut self, code: u64);

    /// Ready with the peer's code when it wants no more of this stream (S21); with `None` when the
    /// stream is closed and the peer has all of it, or when this end broke it off.
    ///
    /// # Errors
    /// The connection's error.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>>>;

    /// Until when a write may wait; acts on a pending one too. `None`, the default, is no limit.
    fn set_write_deadline(&mut self, deadline: Option<Instant>);

    /// Which of several streams goes first; higher is sooner, 0 is the default (S24). Does nothing
    /// where the library has no priorities
    /// ([`Capabilities::priorities`](crate::Capabilities::priorities)).
    fn set_priority(&mut self, priority: i32);
}
