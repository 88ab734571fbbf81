//! Datagrams beside the streams of a connection (RFC 9221).

use bytes::Bytes;

use crate::{BoxFuture, Result};

/// Messages that arrive whole or not at all, in any order (S31).
///
/// Both queues are bounded by [`StreamOptions::datagram_queue`](crate::StreamOptions); what does
/// not fit displaces the oldest.
pub trait Datagrams: Send + Sync {
    /// The largest that the peer and the path take now, in bytes; `None` when the peer takes none.
    /// May change while the connection lives.
    fn longest(&self) -> Option<usize>;

    /// Sends one, some time soon; nothing says whether it arrives.
    ///
    /// # Errors
    /// `InvalidInput` when it is longer than [`longest`](Self::longest), `Unsupported` when the
    /// peer takes none, or the connection's error.
    fn send(&self, datagram: Bytes) -> Result<()>;

    /// The next one of the peer's.
    ///
    /// # Errors
    /// The connection's error, when it ends.
    ///
    /// # Cancel safety
    /// Dropping the future loses no datagram.
    fn receive(&self) -> BoxFuture<'_, Result<Bytes>>;
}
