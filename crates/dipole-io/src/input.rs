//! The bytes that a connection has read and its owner has not.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use dipole_net::{Error, ErrorKind, Result};

use crate::{BufferPool, Socket};

/// A slice this short is copied out: it shall not keep a whole buffer alive.
const COPY_LIMIT: usize = 16;
/// A read is not worth its system call with less room than this.
const LEAST_ROOM: usize = 2 * 1024;
/// The most that one read asks for, unless the owner wants more.
const MOST_ROOM: u32 = 64 * 1024;

/// A read buffer: contiguous, from a pool, and without memory while it is empty and released.
#[derive(Debug)]
pub struct Input {
    held: BytesMut,
    pool: BufferPool,
    /// What the next read asks for; doubles as long as reads fill it.
    room: u32,
    source: Source,
}

/// What is known of the socket before the next read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// It may have nothing to read.
    Unknown,
    /// It had nothing, and will wake whoever waits: who is here again was likely woken.
    Awaited,
}

impl Input {
    /// An empty buffer.
    #[must_use]
    pub fn new(pool: &BufferPool) -> Self {
        Self {
            held: BytesMut::new(),
            room: first_room(pool),
            pool: pool.clone(),
            source: Source::Unknown,
        }
    }

    /// Unread bytes, in bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// True without an unread byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The unread bytes.
    #[must_use]
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        &self.held
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.held.capacity()
    }

    /// Consumes `n` bytes.
    ///
    /// # Errors
    /// `InvalidInput` when fewer are held.
    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<()> {
        self.check(n)?;
        if n == self.held.len() {
            // Unlike `advance` this leaves the buffer whole, if it was.
            self.held.clear();
        } else {
            self.held.advance(n);
        }
        Ok(())
    }

    /// Consumes `n` bytes as an owned slice.
    ///
    /// # Errors
    /// `InvalidInput` when fewer are held.
    pub fn split(&mut self, n: usize) -> Result<Bytes> {
        self.check(n)?;
        if n <= COPY_LIMIT {
            let copy = Bytes::copy_from_slice(&self.held[..n]);
            self.held.advance(n);
            return Ok(copy);
        }
        Ok(self.held.split_to(n).freeze())
    }

    #[inline]
    fn check(&self, n: usize) -> Result<()> {
        if n <= self.held.len() {
            return Ok(());
        }
        Err(too_many(n, self.held.len()))
    }

    /// Gives the buffer back when nothing in it is unread.
    #[inline]
    pub fn release(&mut self) {
        if self.held.is_empty() && self.held.capacity() > 0 {
            self.pool.put(&mut self.held);
        }
    }

    /// The buffer, when it is a whole one and nothing in it is unread.
    #[inline]
    pub(crate) fn lend(&mut self) -> Option<BytesMut> {
        let is_free = self.held.is_empty() && self.held.capacity() >= self.pool.buffer_size();
        is_free.then(|| std::mem::take(&mut self.held))
    }

    /// Drops all that is unread.
    pub fn clear(&mut self) {
        self.held.clear();
        self.release();
    }

    /// Adds bytes that came by another way than a socket, such as decrypted ones.
    pub fn append(&mut self, bytes: &[u8]) {
        self.make_room(self.held.len() + bytes.len());
        self.held.extend_from_slice(bytes);
    }

    /// Reads once what is there; gives how many bytes came, 0 at the end. Makes room for `wanted`
    /// bytes in all. While it is pending an empty buffer holds no memory.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_read<S: Socket>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        if self.source == Source::Unknown {
            let readable = socket.poll_readable(cx);
            self.source = if readable.is_pending() { Source::Awaited } else { Source::Unknown };
            ready!(readable)?;
        }
        self.make_room(wanted);
        let room = self.held.capacity() - self.held.len();
        let read = tokio_util::io::poll_read_buf(Pin::new(socket), cx, &mut self.held);
        match &read {
            Poll::Ready(Ok(n)) if *n == room => self.room = doubled(room),
            Poll::Ready(Ok(_)) => self.room = first_room(&self.pool),
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        if read.is_ready() {
            self.source = Source::Unknown;
        }
        if !matches!(read, Poll::Ready(Ok(1..))) {
            self.release();
        }
        read
    }

    #[inline]
    fn make_room(&mut self, wanted: usize) {
        let held = self.held.len();
        let missing = wanted.saturating_sub(held);
        let room = missing.max(if held == 0 { self.room as usize } else { LEAST_ROOM });
        if self.held.capacity() == 0 && room <= self.pool.buffer_size() {
            self.held = self.pool.take();
        } else {
            self.grow(held, room);
        }
    }

    /// Never through `reserve`, which doubles what is held already (B22).
    #[inline(never)]
    fn grow(&mut self, held: usize, room: usize) {
        if self.held.try_reclaim(room) {
            return;
        }
        let mut roomy = match held + room <= self.pool.buffer_size() {
            true => self.pool.take(),
            // Doubles what is unread and does not fit, so that asking for one byte more each time
            // does not copy it all each time.
            false => BytesMut::with_capacity((held + room).max(2 * held)),
        };
        roomy.extend_from_slice(&self.held);
        std::mem::swap(&mut self.held, &mut roomy);
        self.pool.put(&mut roomy);
    }
}

#[cold]
fn too_many(n: usize, held: usize) -> Error {
    Error::with_message(ErrorKind::InvalidInput, format!("{n} bytes of {held} held"))
}

/// One buffer of the pool, in bytes.
fn first_room(pool: &BufferPool) -> u32 {
    u32::try_from(pool.buffer_size()).unwrap_or(u32::MAX)
}

fn doubled(room: usize) -> u32 {
    u32::try_from(room).map_or(MOST_ROOM, |room| room.saturating_mul(2).min(MOST_ROOM))
}
