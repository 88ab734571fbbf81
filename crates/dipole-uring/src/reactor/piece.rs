//! What a socket has received.

use bytes::BytesMut;

use crate::ring::Segment;

/// Received bytes.
pub(crate) enum Piece {
    /// In a buffer of the ring's.
    InPlace(Segment),
    /// In memory of their own, because the ring's buffers were scarce. Boxed, for it is rare, and every
    /// socket has room for a piece.
    Copied(Box<BytesMut>),
}

impl Piece {
    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::InPlace(segment) => segment.memory(),
            Self::Copied(bytes) => bytes.capacity(),
        }
    }
}

impl std::ops::Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::InPlace(segment) => segment,
            Self::Copied(bytes) => bytes,
        }
    }
}
