//! The bytes that a connection has taken from the ring and its owner has not read.

use bytes::{Buf, Bytes, BytesMut};
use dipole_net::{Error, ErrorKind, Result};

use crate::reactor::Piece;

/// A slice this short is copied out of a large buffer: it shall not keep it alive.
const COPY_LIMIT: usize = 1024;

/// Unread bytes: in the ring's own buffer as long as one is enough, else put together in memory of
/// the connection's.
#[derive(Default)]
pub(crate) struct Input {
    held: Option<Piece>,
}

impl Input {
    pub(crate) fn len(&self) -> usize {
        self.buffered().len()
    }

    pub(crate) fn buffered(&self) -> &[u8] {
        self.held.as_deref().unwrap_or(&[])
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.held.as_ref().map_or(0, Piece::memory)
    }

    /// Adds what came. `wanted` bytes in all are on their way.
    pub(crate) fn push(&mut self, piece: Piece, wanted: usize) {
        if self.len() == 0 {
            self.held = Some(piece);
            return;
        }
        let (held, room) = (self.len(), piece.len());
        let size = wanted.max(held + room);
        if let Some(Piece::Copied(bytes)) = &mut self.held
            && bytes.try_reclaim(size - held)
        {
            return bytes.extend_from_slice(&piece);
        }
        // Doubles what does not fit, so that asking for one byte more each time does not copy it all
        // each time.
        let mut roomy = Box::new(BytesMut::with_capacity(size.max(2 * held)));
        roomy.extend_from_slice(self.buffered());
        roomy.extend_from_slice(&piece);
        self.held = Some(Piece::Copied(roomy));
    }

    pub(crate) fn skip(&mut self, n: usize) -> Result<()> {
        self.check(n)?;
        match &mut self.held {
            None => {}
            Some(Piece::InPlace(segment)) => segment.advance(n),
            Some(Piece::Copied(bytes)) => bytes.advance(n),
        }
        Ok(())
    }

    /// Consumes `n` bytes as an owned slice. Bytes in the ring's buffer are copied: the ring cannot
    /// do without its buffers for as long as somebody may keep a slice.
    pub(crate) fn split(&mut self, n: usize) -> Result<Bytes> {
        self.check(n)?;
        if let (Some(Piece::Copied(bytes)), true) = (&mut self.held, n > COPY_LIMIT) {
            return Ok(bytes.split_to(n).freeze());
        }
        let copy = Bytes::copy_from_slice(&self.buffered()[..n]);
        self.skip(n)?;
        Ok(copy)
    }

    fn check(&self, n: usize) -> Result<()> {
        let held = self.len();
        if n <= held {
            return Ok(());
        }
        Err(Error::with_message(ErrorKind::InvalidInput, format!("{n} bytes of {held} held")))
    }

    /// Gives the buffer back when nothing in it is unread.
    pub(crate) fn release(&mut self) {
        if self.len() == 0 {
            self.held = None;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.held = None;
    }
}
