//! What is queued for writing, in the order of the calls.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces as they were queued; small ones are joined.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pieces: VecDeque<Bytes>,
    /// What `malloc` gave out last; behind the pieces.
    tail: BytesMut,
    /// What was given out after the connection's end.
    scratch: Vec<u8>,
    len: usize,
    /// Bytes given to `write_binary` and copied.
    pub(crate) copied: u64,
}

/// A shorter piece is cheaper copied than queued.
pub(crate) const COPY_SIZE: usize = 1024;
/// A tail is not moved to grow past this.
const TAIL_SIZE: usize = 64 * 1024;

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.len - self.tail.len() + self.tail.capacity() + self.scratch.capacity()
    }

    pub(crate) fn malloc(&mut self, n: usize) -> &mut [u8] {
        let begin = self.tail.len();
        if self.tail.capacity() - begin < n && begin + n > TAIL_SIZE {
            self.seal();
        }
        let begin = self.tail.len();
        self.tail.resize(begin + n, 0);
        self.len += n;
        &mut self.tail[begin..]
    }

    pub(crate) fn write_binary(&mut self, data: Bytes) {
        if data.len() < COPY_SIZE {
            self.copied += data.len() as u64;
            self.malloc(data.len()).copy_from_slice(&data);
            return;
        }
        self.seal();
        self.len += data.len();
        self.pieces.push_back(data);
    }

    /// Takes the first piece, or its first `most` bytes, at least one; `None` when all is taken.
    pub(crate) fn take(&mut self, most: usize) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.seal();
        }
        let first = self.pieces.front_mut()?;
        let most = most.max(1);
        let taken = if most < first.len() { Some(first.split_to(most)) } else { None };
        let taken = taken.or_else(|| self.pieces.pop_front())?;
        self.len -= taken.len();
        Some(taken)
    }

    /// Room of `n` zeroed bytes that are never sent, for a connection that has ended.
    pub(crate) fn scratch(&mut self, n: usize) -> &mut [u8] {
        self.scratch.clear();
        self.scratch.resize(n, 0);
        &mut self.scratch
    }

    /// Drops what is queued, and its memory.
    pub(crate) fn clear(&mut self) {
        *self = Self { copied: self.copied, ..Self::default() };
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.tail).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_the_order_of_the_calls_however_they_are_taken() {
        for most in [1, 700, usize::MAX] {
            let mut queue = Queue::default();
            let mut expected = Vec::new();
            for (n, size) in [0, 1, 100, 5000, 70_000].into_iter().enumerate() {
                queue.malloc(size).fill(n as u8);
                queue.write_binary(Bytes::from(vec![n as u8 + 100; size]));
                expected.resize(expected.len() + size, n as u8);
                expected.resize(expected.len() + size, n as u8 + 100);
            }
            assert_eq!(queue.len(), expected.len());
            let mut taken = Vec::new();
            while let Some(piece) = queue.take(most) {
                taken.extend_from_slice(&piece);
            }
            assert!(taken == expected, "at most {most}");
            assert_eq!((queue.len(), queue.memory()), (0, 0));
        }
    }
}
