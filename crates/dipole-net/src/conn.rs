//! A connection that is one ordered stream of bytes each way.

use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::{Addr, Closer, Result, TlsInfo};

/// A byte-stream connection that owns its buffers.
///
/// **Reading.** [`poll_fill`](Self::poll_fill) waits for bytes, [`buffered`](Self::buffered) shows
/// them in place, [`skip`](Self::skip) or [`split`](Self::split) consumes them, and
/// [`release`](Self::release) gives the memory of consumed bytes back. The borrow checker makes a
/// slice of `buffered` unusable after any of these.
///
/// **Writing.** [`malloc`](Self::malloc), [`write_slice`](Self::write_slice) and
/// [`write_binary`](Self::write_binary) queue bytes in call order; [`poll_flush`](Self::poll_flush) sends them. Queueing never fails: on a connection
/// that has ended the bytes go nowhere, and the next flush says why.
///
/// **Polling.** Reading and writing have a waker each, the last one given, so one task may read
/// while another writes (under a lock) and both are woken. An operation begins with the first poll
/// that is pending, and ends with the next poll that is ready or with [`abandon`](Self::abandon);
/// its timeout spans the whole of it (B9). Between two polls a caller may do anything else: no
/// byte is lost or repeated (B13, B36).
///
/// **Errors.** Eof is given again each time it is asked for (B6). An error of the write side is
/// sticky and keeps its kind (B39). After this side's own close every call gives `Closed` (B50).
///
/// The async face is [`ConnExt`](crate::ConnExt).
pub trait Conn: Send {
    /// Unread bytes held, in bytes. Does no I/O, and counts every byte held (B18).
    fn len(&self) -> usize;

    /// True when no unread byte is held. Says nothing about the peer.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The longest contiguous prefix of the unread bytes that is held. At least as long as the
    /// last `poll_fill` asked for, as long as nothing was consumed since; it may be shorter than
    /// `len`. Whoever wants more asks `poll_fill` for `buffered().len() + 1`.
    fn buffered(&self) -> &[u8];

    /// Ready when `buffered().len() >= n`.
    ///
    /// Reads from the network only when fewer than `n` bytes are held (B2), then takes what is
    /// there, also more than `n`. The bytes are contiguous however large `n` is (B4).
    ///
    /// # Errors
    /// `Eof` when the peer ended its side first: what it sent stays held (B5). `TimedOut` after
    /// the read timeout: what came stays, and the connection still reads (B7, B8); bytes that are
    /// already held, or that the network gives at once, beat an expired timeout (B10). `Reset`
    /// (B48), `Closed` (B44, B50).
    ///
    /// # Cancel safety
    /// May be given up at any time; call [`abandon`](Self::abandon) to also stop its timeout.
    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>>;

    /// Consumes exactly `n` bytes (B14).
    ///
    /// # Errors
    /// `InvalidInput` when fewer than `n` bytes are held: then nothing is consumed (B16).
    fn skip(&mut self, n: usize) -> Result<()>;

    /// Consumes exactly `n` bytes and gives them as an owned slice that stays intact whatever
    /// becomes of the connection (B23). Without a copy where the library can; a library may copy
    /// where a small slice would keep a large buffer alive.
    ///
    /// # Errors
    /// `InvalidInput` when fewer than `n` bytes are held: then nothing is consumed.
    fn split(&mut self, n: usize) -> Result<Bytes>;

    /// Gives the memory of consumed bytes back to the library; unread bytes stay (B19, B20). With
    /// no unread byte the whole read buffer goes back (B21), so a connection that waits after
    /// `release` MUST hold none.
    fn release(&mut self);

    /// Queues `n` zeroed bytes and gives them to be filled (B29); what is left unfilled is sent as
    /// zeros (B30).
    fn malloc(&mut self, n: usize) -> &mut [u8];

    /// Queues a copy of `data`: what `malloc` and filling it do, where the library can in one.
    fn write_slice(&mut self, data: &[u8]) {
        self.malloc(data.len()).copy_from_slice(data);
    }

    /// Queues `data`, without a copy from 64 KiB on (B34); smaller pieces may be copied where that
    /// is cheaper.
    fn write_binary(&mut self, data: Bytes);

    /// Bytes queued that the network has not taken yet (B37).
    fn queued(&self) -> usize;

    /// Sends what is queued; ready when the kernel or the peer has taken every byte (B35). Nothing
    /// is sent before it (B33). With nothing queued it is ready at once.
    ///
    /// # Errors
    /// `Closed` or `Reset` when the peer is gone (B40); `TimedOut` after the write timeout, and
    /// then for good: half a message is never resumed, while reading goes on (B38). Any error
    /// frees the queue and is given again by each later flush (B39). `Closed` after this side's own
    /// close, also with nothing queued (B50), and after `poll_shutdown` with something queued.
    ///
    /// # Cancel safety
    /// A flush given up and begun again sends each byte once (B36).
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Flushes, then ends this side's direction: the peer reads to the end and then sees `Eof`
    /// (B47). Ready at once when it was done before. Reading goes on.
    ///
    /// # Errors
    /// As `poll_flush`; `Unsupported` where the library has no half-close
    /// ([`Capabilities::half_close`](crate::Capabilities::half_close)).
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;

    /// Says that the pending operation of `side` (a fill; a flush or shutdown) was given up: its
    /// timeout ends and its waker is forgotten. No byte is lost. Without a pending operation it
    /// does nothing.
    fn abandon(&mut self, side: Side);

    /// Closes both directions now: unread and unsent bytes are dropped, the descriptor goes back.
    /// Twice is fine (B49). Dropping the connection does the same.
    fn close(&mut self);

    /// Closes at once, and so that the peer sees `Reset` and not the end (B48), where the library
    /// can ([`Capabilities::reset`](crate::Capabilities::reset)); elsewhere as `close`.
    fn reset(&mut self);

    /// A handle that closes this connection from elsewhere: a pending fill or flush then fails
    /// with `Closed` (B44). Made when first asked for; all handles of a connection are one.
    fn closer(&mut self) -> Closer;

    /// The longest that a waiting read may take; `None`, the default, is no limit (B42). Holds
    /// for each operation anew (B43); a change acts from the next operation on. Under a timeout of
    /// zero an operation fails as soon as it would wait.
    fn set_read_timeout(&mut self, timeout: Option<Duration>);

    /// The longest that a waiting flush or shutdown may take; `None`, the default, is no limit.
    /// A change acts from the next operation on.
    fn set_write_timeout(&mut self, timeout: Option<Duration>);

    /// This end's address; stays right after close (B51).
    fn local_addr(&self) -> Addr;

    /// The other end's address; stays right after close (B51).
    fn peer_addr(&self) -> Addr;

    /// What the TLS handshake found; `None` where there is no TLS.
    fn tls(&self) -> Option<&TlsInfo> {
        None
    }

    /// What this connection has moved and holds.
    fn stats(&self) -> ConnStats;
}

/// A direction of a connection, seen from this end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// From the peer to this end.
    Read,
    /// From this end to the peer.
    Write,
}

/// What a connection has moved and holds, all in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnStats {
    /// Taken from the network since the connection began.
    pub received: u64,
    /// Taken by the network since the connection began.
    pub sent: u64,
    /// Given to `write_binary` and copied (B34).
    pub copied: u64,
    /// Memory held for input at this moment, read or unread (B21).
    pub input_memory: usize,
    /// Memory held for output at this moment (B37, B39).
    pub output_memory: usize,
}

impl fmt::Debug for dyn Conn + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn")
            .field("local", &self.local_addr())
            .field("peer", &self.peer_addr())
            .finish_non_exhaustive()
    }
}

impl<C: Conn + ?Sized> Conn for Box<C> {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn buffered(&self) -> &[u8] {
        (**self).buffered()
    }
    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        (**self).poll_fill(cx, n)
    }
    fn skip(&mut self, n: usize) -> Result<()> {
        (**self).skip(n)
    }
    fn split(&mut self, n: usize) -> Result<Bytes> {
        (**self).split(n)
    }
    fn release(&mut self) {
        (**self).release();
    }
    fn malloc(&mut self, n: usize) -> &mut [u8] {
        (**self).malloc(n)
    }
    fn write_slice(&mut self, data: &[u8]) {
        (**self).write_slice(data);
    }
    fn write_binary(&mut self, data: Bytes) {
        (**self).write_binary(data);
    }
    fn queued(&self) -> usize {
        (**self).queued()
    }
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (**self).poll_flush(cx)
    }
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        (**self).poll_shutdown(cx)
    }
    fn abandon(&mut self, side: Side) {
        (**self).abandon(side);
    }
    fn close(&mut self) {
        (**self).close();
    }
    fn reset(&mut self) {
        (**self).reset();
    }
    fn closer(&mut self) -> Closer {
        (**self).closer()
    }
    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        (**self).set_read_timeout(timeout);
    }
    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        (**self).set_write_timeout(timeout);
    }
    fn local_addr(&self) -> Addr {
        (**self).local_addr()
    }
    fn peer_addr(&self) -> Addr {
        (**self).peer_addr()
    }
    fn tls(&self) -> Option<&TlsInfo> {
        (**self).tls()
    }
    fn stats(&self) -> ConnStats {
        (**self).stats()
    }
}
