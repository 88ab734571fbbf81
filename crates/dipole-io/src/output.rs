//! The bytes that a connection's owner has written and the network has not taken.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::{BufferPool, Input};

/// Pieces up to this many bytes are copied: one write of a few pages costs less than a vectored
/// write of two pieces.
const COPY_LIMIT: usize = 8 * 1024;
/// The first buffer's size, before one of the pool is taken.
const SMALL: usize = 512;
/// The most pieces that one vectored write takes.
const MOST_PIECES: usize = 32;

/// Large pieces that wait to be sent, in order; none are `None`.
pub type Pieces = Option<Box<VecDeque<Bytes>>>;

/// A write queue: small pieces side by side in one buffer, large ones as they came.
#[derive(Debug)]
pub struct Output {
    /// Sent before `tail`. Never empty, and on the heap: most connections have none, most of the
    /// time, and an idle one shall be small.
    pieces: Pieces,
    tail: BytesMut,
    queued: usize,
    copied: u64,
    pool: BufferPool,
}

impl Output {
    /// An empty queue.
    #[must_use]
    pub fn new(pool: &BufferPool) -> Self {
        Self { pieces: None, tail: BytesMut::new(), queued: 0, copied: 0, pool: pool.clone() }
    }

    /// Bytes queued.
    #[must_use]
    #[inline]
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes of `write_binary` that were copied.
    #[must_use]
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.pieces().map(Bytes::len).sum::<usize>() + self.tail.capacity()
    }

    /// Takes the buffer of `input` for small pieces, where all of it was read and there is none
    /// here: most requests are answered once they are read, and so take one buffer and not two.
    #[inline]
    pub fn borrow_from(&mut self, input: &mut Input) {
        if self.tail.capacity() == 0
            && let Some(buffer) = input.lend()
        {
            self.tail = buffer;
        }
    }

    /// Queues `n` zeroed bytes and gives them.
    pub fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.queued += n;
        self.make_room(n);
        let start = self.tail.len();
        self.tail.resize(start + n, 0);
        &mut self.tail[start..]
    }

    /// Queues a copy of `data`.
    #[inline]
    pub fn write_slice(&mut self, data: &[u8]) {
        self.queued += data.len();
        self.make_room(data.len());
        self.tail.extend_from_slice(data);
    }

    /// Queues `data`.
    #[inline]
    pub fn write_binary(&mut self, data: Bytes) {
        if data.len() <= COPY_LIMIT {
            self.copied += data.len() as u64;
            self.write_slice(&data);
        } else {
            self.queue(data);
        }
    }

    /// Queues `data` as it is.
    fn queue(&mut self, data: Bytes) {
        self.queued += data.len();
        self.seal_tail();
        self.pieces.get_or_insert_default().push_back(data);
    }

    /// Takes out all that is queued, for a library that owns what it sends: first the pieces, then
    /// the rest.
    pub fn take(&mut self) -> (Pieces, BytesMut) {
        self.queued = 0;
        (self.pieces.take(), std::mem::take(&mut self.tail))
    }

    /// Whether there is memory for small pieces already.
    #[must_use]
    pub fn has_buffer(&self) -> bool {
        self.tail.capacity() > 0
    }

    /// Takes the memory of a rest that was [taken](Self::take) and is sent, for what is soon queued.
    pub fn reuse(&mut self, mut tail: BytesMut) {
        let size = self.pool.buffer_size();
        if self.has_buffer() || !(size..=2 * size).contains(&tail.capacity()) {
            if tail.capacity() > 0 {
                self.pool.put(&mut tail);
            }
            return;
        }
        tail.clear();
        self.tail = tail;
    }

    /// Gives back memory that nothing is queued in.
    #[inline]
    pub fn release_unused(&mut self) {
        if self.queued == 0 && self.tail.capacity() > 0 {
            self.release();
        }
    }

    #[inline]
    fn make_room(&mut self, n: usize) {
        if self.tail.capacity() - self.tail.len() < n {
            self.find_room(n);
        }
    }

    #[inline(never)]
    fn find_room(&mut self, n: usize) {
        let (held, size) = (self.tail.len(), self.pool.buffer_size());
        if held == 0 && n <= size {
            self.tail = self.pool.take();
        } else if held <= SMALL && held + n <= size {
            let mut roomy = self.pool.take();
            roomy.extend_from_slice(&self.tail);
            self.tail = roomy;
        } else {
            self.seal_tail();
            self.tail = if n <= size { self.pool.take() } else { BytesMut::with_capacity(n) };
        }
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.get_or_insert_default().push_back(self.tail.split().freeze());
        }
    }

    fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter().flat_map(|queue| queue.iter())
    }

    /// All that is queued, where it is one piece; `None` with nothing queued.
    #[inline]
    pub(crate) fn only_piece(&self) -> Option<&[u8]> {
        (self.pieces.is_none() && self.queued > 0).then_some(&self.tail)
    }

    /// Writes what is queued; ready when the writer has taken it all. Adds what it took to `sent`.
    ///
    /// # Errors
    /// The writer's; `WriteZero` when it takes nothing.
    pub fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        writer: &mut W,
        cx: &mut Context<'_>,
        sent: &mut u64,
    ) -> Poll<io::Result<()>> {
        while self.queued > 0 {
            let n = if self.pieces.is_none() {
                ready!(Pin::new(&mut *writer).poll_write(cx, &self.tail))?
            } else {
                ready!(self.poll_write_pieces(writer, cx))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += n as u64;
            self.consume(n);
        }
        self.release();
        Poll::Ready(Ok(()))
    }

    fn poll_write_pieces<W: AsyncWrite + Unpin>(
        &self,
        writer: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut pieces = [IoSlice::new(&[]); MOST_PIECES];
        let queued = self.pieces().map(|piece| &piece[..]).chain([&self.tail[..]]);
        let mut count = 0;
        for (place, piece) in pieces.iter_mut().zip(queued.filter(|piece| !piece.is_empty())) {
            *place = IoSlice::new(piece);
            count += 1;
        }
        if count == 1 || !writer.is_write_vectored() {
            return Pin::new(writer).poll_write(cx, &pieces[0]);
        }
        Pin::new(writer).poll_write_vectored(cx, &pieces[..count])
    }

    /// Forgets the first `n` bytes: a writer has taken them.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        self.queued -= n;
        if self.pieces.is_none() {
            self.consume_tail(n);
        } else {
            self.consume_pieces(n);
        }
    }

    fn consume_pieces(&mut self, mut n: usize) {
        if let Some(queue) = &mut self.pieces {
            while let Some(first) = queue.front_mut() {
                if n < first.len() {
                    first.advance(n);
                    return;
                }
                n -= first.len();
                queue.pop_front();
            }
            self.pieces = None;
        }
        self.consume_tail(n);
    }

    #[inline]
    fn consume_tail(&mut self, n: usize) {
        if n == self.tail.len() {
            // Unlike `advance` this leaves the buffer whole.
            self.tail.clear();
        } else {
            self.tail.advance(n);
        }
    }

    /// Drops all that is queued and its memory.
    pub fn clear(&mut self) {
        self.queued = 0;
        self.tail.clear();
        self.pieces = None;
        self.release();
    }

    #[inline]
    fn release(&mut self) {
        if self.tail.capacity() > SMALL {
            self.pool.put(&mut self.tail);
        } else if self.tail.capacity() > 0 {
            self.tail = BytesMut::new();
        }
    }
}
