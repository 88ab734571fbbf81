//! The bytes that a connection has queued and not sent.

use std::collections::VecDeque;
use std::mem::take;

use bytes::Bytes;

/// Pieces in the order of the calls that queued them.
#[derive(Debug, Default)]
pub(crate) struct Output {
    queue: VecDeque<Bytes>,
    queue_len: usize,
    /// What `malloc` gave out last; goes behind the queue.
    tail: Vec<u8>,
}

/// A tail that would have to move to grow past this is queued instead.
const TAIL_SIZE: usize = 16 * 1024;

/// Pieces shorter than this are cheaper copied than queued.
const COPY_SIZE: usize = 1024;

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.queue_len + self.tail.len()
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.queue_len + self.tail.capacity()
    }

    pub(crate) fn malloc(&mut self, n: usize) -> &mut [u8] {
        if self.tail.capacity() - self.tail.len() < n && self.tail.len() + n > TAIL_SIZE {
            self.seal();
        }
        let start = self.tail.len();
        if self.tail.capacity() == 0 {
            self.tail = vec![0; n];
        } else {
            self.tail.resize(start + n, 0);
        }
        &mut self.tail[start..]
    }

    /// Gives the number of bytes copied.
    pub(crate) fn write_binary(&mut self, data: Bytes) -> usize {
        if data.len() < COPY_SIZE {
            self.malloc(data.len()).copy_from_slice(&data);
            return data.len();
        }
        self.seal();
        self.queue_len += data.len();
        self.queue.push_back(data);
        0
    }

    /// The length of the first piece; 0 when nothing is queued.
    pub(crate) fn piece_len(&self) -> usize {
        self.queue.front().map_or(self.tail.len(), Bytes::len)
    }

    /// Takes the first `n` bytes of the first piece, at most `piece_len`.
    pub(crate) fn take(&mut self, n: usize) -> Bytes {
        if self.queue.is_empty() {
            if n == self.tail.len() {
                return Bytes::from(take(&mut self.tail));
            }
            self.seal();
        }
        let Some(piece) = self.queue.front_mut() else {
            return Bytes::new();
        };
        self.queue_len -= n;
        if n < piece.len() { piece.split_to(n) } else { self.queue.pop_front().unwrap_or_default() }
    }

    /// Room of `n` zeroed bytes that are never sent, for a connection that has ended.
    pub(crate) fn scratch(&mut self, n: usize) -> &mut [u8] {
        self.tail.clear();
        self.tail.resize(n, 0);
        &mut self.tail
    }

    /// Drops what is queued, and its memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.queue_len += self.tail.len();
            self.queue.push_back(Bytes::from(take(&mut self.tail)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        while output.len() > 0 {
            let n = output.piece_len().min(step);
            sent.extend_from_slice(&output.take(n));
        }
        sent
    }

    #[test]
    fn pieces_keep_the_order_of_the_calls() {
        for step in [1, 1000, usize::MAX] {
            let mut output = Output::default();
            let mut expected = Vec::new();
            for (byte, size) in [0, 1, 4095, 4096, 4097, 1 << 20].into_iter().enumerate() {
                let byte = byte as u8 * 3;
                output.malloc(size).fill(byte);
                output.write_binary(Bytes::from(vec![byte + 1; size]));
                output.malloc(size).fill(byte + 2);
                for byte in byte..byte + 3 {
                    expected.resize(expected.len() + size, byte);
                }
            }
            assert_eq!(output.len(), expected.len());
            assert!(drain(&mut output, step) == expected, "step {step}");
            assert_eq!((output.len(), output.memory()), (0, 0));
        }
    }

    #[test]
    fn memory_given_by_malloc_is_zeroed_each_time() {
        let mut output = Output::default();
        output.malloc(100).fill(1);
        assert_eq!(output.malloc(50), [0; 50]);
        assert_eq!(output.scratch(20), [0; 20]);
    }

    #[test]
    fn long_pieces_are_not_copied() {
        let mut output = Output::default();
        let data = Bytes::from(vec![1; 64 * 1024]);
        assert_eq!(output.write_binary(data.clone()), 0);
        assert_eq!(output.take(data.len()).as_ptr(), data.as_ptr());
    }
}
