//! Memory for one TLS record, shared by the connections of a listener or a client.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dipole_net::Conn;

/// The most plain bytes of one record (RFC 8446 section 5.1).
pub(crate) const MOST_PLAIN: usize = 16 * 1024;
/// Room for the largest record, with its header and whatever a cipher adds (RFC 5246 section
/// 6.2.3), and for a message that rustls sends before it.
const RECORD: usize = MOST_PLAIN + 2 * 1024 + 5;
/// Unused buffers that are kept.
const MOST_UNUSED: usize = 32;
/// From here on a record is handed to the connection below without a copy.
const HAND_OVER: usize = 8 * 1024;

/// A bounded store of buffers that are initialised, once and for all, so that nothing is zeroed
/// for each record; its clones are one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct RecordBuffers {
    unused: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl RecordBuffers {
    /// A buffer with whatever was in it before.
    pub(crate) fn take(&self) -> RecordBuffer {
        let unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = unused.unwrap_or_else(|| vec![0; RECORD].into_boxed_slice());
        RecordBuffer { bytes, filled: 0, home: self.clone() }
    }
}

/// A buffer for one record; goes back to its store when dropped.
pub(crate) struct RecordBuffer {
    bytes: Box<[u8]>,
    filled: usize,
    home: RecordBuffers,
}

impl RecordBuffer {
    /// The whole of it.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Queues its first `n` bytes on `conn`.
    pub(crate) fn queue_on(mut self, conn: &mut dyn Conn, n: usize) {
        if n < HAND_OVER {
            conn.malloc(n).copy_from_slice(&self.bytes[..n]);
            return;
        }
        self.filled = n;
        conn.write_binary(Bytes::from_owner(self));
    }
}

impl AsRef<[u8]> for RecordBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for RecordBuffer {
    fn drop(&mut self) {
        let mut unused = self.home.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() < MOST_UNUSED {
            unused.push(std::mem::take(&mut self.bytes));
        }
    }
}
