//! The bytes that a connection holds for its reader.

use std::collections::VecDeque;
use std::mem::take;

use bytes::{Buf, Bytes, BytesMut};

/// A queue of chunks as they came, made contiguous on demand.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// What `buffered` shows; empty only when nothing at all is held.
    front: Front,
    /// Bytes of the front's memory that are consumed.
    consumed: usize,
    rest: VecDeque<Bytes>,
    rest_len: usize,
}

#[derive(Debug)]
enum Front {
    /// A chunk as it came.
    Shared(Bytes),
    /// Joined from several.
    Own(BytesMut),
}

/// Joining takes whole chunks up to this size, so that a parser that asks for one byte more gets
/// more than one.
const JOIN_SIZE: usize = 4096;

/// A split this long shares memory however long the chunk is; a shorter one is copied rather than
/// keep a much longer chunk alive.
const SHARE_SIZE: usize = 16 * 1024;

/// Chunks up to this size are not worth copying out of on release.
const KEEP_SIZE: usize = 4096;

impl Default for Front {
    fn default() -> Self {
        Self::Shared(Bytes::new())
    }
}

impl Input {
    pub(crate) fn len(&self) -> usize {
        self.buffered().len() + self.rest_len
    }

    pub(crate) fn buffered(&self) -> &[u8] {
        match &self.front {
            Front::Shared(bytes) => bytes,
            Front::Own(bytes) => bytes,
        }
    }

    /// Memory held, in bytes, consumed or not.
    pub(crate) fn memory(&self) -> usize {
        self.consumed
            + self.rest_len
            + match &self.front {
                Front::Shared(bytes) => bytes.len(),
                Front::Own(bytes) => bytes.capacity(),
            }
    }

    /// Appends a chunk, which is not empty.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.buffered().is_empty() {
            self.front = Front::Shared(chunk);
            self.consumed = 0;
        } else {
            self.rest_len += chunk.len();
            self.rest.push_back(chunk);
        }
    }

    /// Makes `buffered` at least `n` long. `n` is at most `len`.
    pub(crate) fn join(&mut self, n: usize) {
        let held = self.buffered().len();
        if held >= n {
            return;
        }
        let mut joined = match take(&mut self.front) {
            Front::Own(joined) => joined,
            Front::Shared(bytes) => {
                self.consumed = 0;
                let mut joined =
                    BytesMut::with_capacity(n.max(held + JOIN_SIZE.min(self.rest_len)));
                joined.extend_from_slice(&bytes);
                joined
            }
        };
        while joined.len() < n {
            let Some(chunk) = self.rest.front_mut() else {
                break;
            };
            let length = chunk.len().min((n - joined.len()).max(JOIN_SIZE));
            if joined.capacity() - joined.len() < length {
                // Room for all that is missing; this also gives consumed memory back.
                joined.reserve(length.max(n - joined.len()));
                self.consumed = 0;
            }
            joined.extend_from_slice(&chunk[..length]);
            self.rest_len -= length;
            if length == chunk.len() {
                self.rest.pop_front();
            } else {
                chunk.advance(length);
            }
        }
        self.front = Front::Own(joined);
    }

    /// Consumes `n` bytes, at most `len`.
    pub(crate) fn skip(&mut self, mut n: usize) {
        loop {
            let held = self.buffered().len();
            if n < held {
                match &mut self.front {
                    Front::Shared(bytes) => bytes.advance(n),
                    Front::Own(bytes) => bytes.advance(n),
                }
                self.consumed += n;
                return;
            }
            n -= held;
            self.next_front();
            if n == 0 || self.buffered().is_empty() {
                return;
            }
        }
    }

    /// Consumes `n` bytes, at most `len`, and gives them.
    pub(crate) fn split(&mut self, n: usize) -> Bytes {
        let held = self.buffered().len();
        if n == 0 {
            return Bytes::new();
        }
        if n == held {
            let whole = match take(&mut self.front) {
                Front::Shared(bytes) => bytes,
                Front::Own(bytes) => bytes.freeze(),
            };
            self.next_front();
            return whole;
        }
        if n > held {
            let mut joined = BytesMut::with_capacity(n);
            while joined.len() < n {
                let length = (n - joined.len()).min(self.buffered().len());
                joined.extend_from_slice(&self.buffered()[..length]);
                self.skip(length);
            }
            return joined.freeze();
        }
        if n < SHARE_SIZE && n < held / 2 {
            let copy = Bytes::copy_from_slice(&self.buffered()[..n]);
            self.skip(n);
            return copy;
        }
        match &mut self.front {
            // What is consumed belongs to both now; it counts here no more.
            Front::Shared(bytes) => bytes.split_to(n),
            Front::Own(bytes) => bytes.split_to(n).freeze(),
        }
    }

    /// Gives the memory of consumed bytes back where that frees more than it copies.
    pub(crate) fn release(&mut self) {
        let held = self.buffered().len();
        if held == 0 {
            *self = Self::default();
            return;
        }
        let memory = self.memory() - self.rest_len;
        if memory > KEEP_SIZE && held < memory / 4 {
            self.front = Front::Shared(Bytes::copy_from_slice(self.buffered()));
            self.consumed = 0;
        }
    }

    fn next_front(&mut self) {
        let next = self.rest.pop_front().unwrap_or_default();
        self.rest_len -= next.len();
        self.front = Front::Shared(next);
        self.consumed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(chunks: &[&'static [u8]]) -> Input {
        let mut input = Input::default();
        chunks.iter().for_each(|chunk| input.push(Bytes::from_static(chunk)));
        input
    }

    #[test]
    fn chunks_are_joined_only_as_far_as_asked_for() {
        let mut input = input(&[b"ab", b"cd", b"ef"]);
        assert_eq!((input.len(), input.buffered()), (6, &b"ab"[..]));
        input.join(3);
        assert_eq!((input.len(), input.buffered()), (6, &b"abcd"[..]));
        input.skip(3);
        assert_eq!((input.len(), input.buffered()), (3, &b"d"[..]));
        input.join(3);
        assert_eq!(input.buffered(), b"def");
    }

    #[test]
    fn skip_and_split_cross_chunks() {
        let mut input = input(&[b"ab", b"cd", b"ef", b"gh"]);
        input.skip(3);
        assert_eq!(input.split(3), "def");
        assert_eq!(input.buffered(), b"gh");
        assert_eq!(input.split(2), "gh");
        assert_eq!((input.len(), input.memory()), (0, 0));
        input.release();
        assert_eq!((input.len(), input.memory()), (0, 0));
    }

    #[test]
    fn release_frees_a_long_chunk_of_which_little_is_left() {
        let mut input = Input::default();
        input.push(Bytes::from(vec![7; 100_000]));
        input.skip(99_990);
        assert_eq!(input.memory(), 100_000);
        input.release();
        assert_eq!((input.memory(), input.buffered()), (10, &[7; 10][..]));
    }

    #[test]
    fn a_long_join_out_of_tiny_chunks_grows_by_doubling() {
        let mut input = Input::default();
        for n in 1..=100_000 {
            input.push(Bytes::from_static(b"x"));
            input.join(n);
        }
        assert_eq!(input.buffered().len(), 100_000);
        assert!(input.memory() <= 262_144, "{}", input.memory());
    }
}
