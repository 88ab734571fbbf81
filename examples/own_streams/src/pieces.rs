//! Bytes in order, in pieces.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes that wait, in order. Small pieces are put together, so that what is held is about as
/// large as what it says, however small the pieces are that a peer sends.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    whole: VecDeque<Bytes>,
    /// Behind the others.
    small: BytesMut,
    length: usize,
}

/// Smaller ones are copied, in bytes.
const SMALL: usize = 2048;
/// What small ones are put together to, in bytes.
const TOGETHER: usize = 16 * 1024;

impl Pieces {
    /// All bytes held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        self.length += data.len();
        if data.len() < SMALL {
            self.small.extend_from_slice(&data);
            if self.small.len() >= TOGETHER {
                self.close_small();
            }
        } else {
            self.close_small();
            self.whole.push_back(data);
        }
    }

    /// The next bytes, at most so many; empty when nothing is held.
    pub(crate) fn pop(&mut self, most: usize) -> Bytes {
        if self.whole.is_empty() {
            self.close_small();
        }
        let Some(mut front) = self.whole.pop_front() else { return Bytes::new() };
        if front.len() > most {
            let rest = front.split_off(most);
            self.whole.push_front(rest);
        }
        self.length -= front.len();
        front
    }

    /// Forgets everything; gives how much that was.
    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(self).length
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.whole.push_back(self.small.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_all_sizes_come_out_in_order() {
        let all: Vec<u8> = (0..60_000_u32).map(|at| at as u8).collect();
        let (mut pieces, mut rest, mut seen) = (Pieces::default(), &all[..], Vec::new());
        for length in [1, 3000, 2, 2047, 2048, 1, 20_000, 7].into_iter().cycle() {
            let (now, later) = rest.split_at(length.min(rest.len()));
            rest = later;
            pieces.push(Bytes::copy_from_slice(now));
            if rest.is_empty() {
                break;
            }
            seen.extend_from_slice(&pieces.pop(1500));
        }
        assert_eq!(pieces.length, all.len() - seen.len());
        while !pieces.is_empty() {
            seen.extend_from_slice(&pieces.pop(1500));
        }
        assert_eq!(seen, all);
    }
}
