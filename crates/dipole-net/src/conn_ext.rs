//! The async face of a connection.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::{Conn, Result, Side};

/// The awaiting calls over any [`Conn`].
///
/// Each future may be dropped at any await: no byte is lost or repeated (B13, B36), and the
/// operation's timeout ends with it.
pub trait ConnExt: Conn {
    /// Waits until `n` bytes are held and shows exactly these, without consuming them (B1, B3).
    /// `peek(0)` is empty and does no I/O (B2).
    ///
    /// # Errors
    /// As [`Conn::poll_fill`]; what came stays held (B5).
    fn peek(&mut self, n: usize) -> impl Future<Output = Result<&[u8]>> + Send {
        async move {
            fill(self, n).await?;
            Ok(&self.buffered()[..n])
        }
    }

    /// Waits until `n` bytes are held and consumes them (B16).
    ///
    /// # Errors
    /// As [`Conn::poll_fill`]; then nothing is consumed.
    fn skip_all(&mut self, n: usize) -> impl Future<Output = Result<()>> + Send {
        async move {
            fill(self, n).await?;
            self.skip(n)
        }
    }

    /// Waits for one byte and consumes it (B24).
    ///
    /// # Errors
    /// As [`Conn::poll_fill`].
    fn read_byte(&mut self) -> impl Future<Output = Result<u8>> + Send {
        async move {
            fill(self, 1).await?;
            let byte = self.buffered()[0];
            self.skip(1)?;
            Ok(byte)
        }
    }

    /// Waits until `n` bytes are held and consumes them as an owned slice (B25).
    ///
    /// # Errors
    /// As [`Conn::poll_fill`]; then nothing is consumed (B26).
    fn read_binary(&mut self, n: usize) -> impl Future<Output = Result<Bytes>> + Send {
        async move {
            fill(self, n).await?;
            self.split(n)
        }
    }

    /// Waits for at least one byte, then gives what is held, up to `buffer.len()`; never waits to
    /// fill it (B27). Gives 0 for an empty buffer, and at the peer's end, each time.
    ///
    /// # Errors
    /// As [`Conn::poll_fill`], but the end is not an error.
    fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize>> + Send {
        async move {
            if buffer.is_empty() {
                return Ok(0);
            }
            match fill(self, 1).await {
                Err(error) if error.is_eof() => return Ok(0),
                other => other?,
            }
            let held = self.buffered();
            let n = held.len().min(buffer.len());
            buffer[..n].copy_from_slice(&held[..n]);
            self.skip(n)?;
            Ok(n)
        }
    }

    /// Queues a copy of `data`; sends nothing.
    fn put(&mut self, data: &[u8]) {
        self.write_slice(data);
    }

    /// Queues a copy of `data` and sends all that is queued.
    ///
    /// Given up before its end, the bytes stay queued: the next flush sends the rest of them.
    ///
    /// # Errors
    /// As [`Conn::poll_flush`].
    fn write_all(&mut self, data: &[u8]) -> impl Future<Output = Result<()>> + Send {
        self.put(data);
        self.flush()
    }

    /// Sends what is queued; ends when the kernel or the peer has taken it (B35).
    ///
    /// # Errors
    /// As [`Conn::poll_flush`].
    fn flush(&mut self) -> impl Future<Output = Result<()>> + Send {
        Wait::on(self, Side::Write).until(|conn, cx| conn.poll_flush(cx))
    }

    /// Flushes and ends this side's direction (B47).
    ///
    /// # Errors
    /// As [`Conn::poll_shutdown`].
    fn shutdown(&mut self) -> impl Future<Output = Result<()>> + Send {
        Wait::on(self, Side::Write).until(|conn, cx| conn.poll_shutdown(cx))
    }
}

impl<C: Conn + ?Sized> ConnExt for C {}

fn fill<C: Conn + ?Sized>(conn: &mut C, n: usize) -> impl Future<Output = Result<()>> + Send {
    Wait::on(conn, Side::Read).until(move |conn, cx| conn.poll_fill(cx, n))
}

/// One operation; abandons it when it is dropped while it waits.
struct Wait<'a, C: Conn + ?Sized> {
    conn: &'a mut C,
    side: Side,
    waiting: bool,
}

impl<'a, C: Conn + ?Sized> Wait<'a, C> {
    fn on(conn: &'a mut C, side: Side) -> Self {
        Self { conn, side, waiting: false }
    }

    async fn until(
        mut self,
        mut poll: impl FnMut(&mut C, &mut Context<'_>) -> Poll<Result<()>> + Send,
    ) -> Result<()> {
        poll_fn(|cx| {
            let polled = poll(self.conn, cx);
            self.waiting = polled.is_pending();
            polled
        })
        .await
    }
}

impl<C: Conn + ?Sized> Drop for Wait<'_, C> {
    fn drop(&mut self) {
        if self.waiting {
            self.conn.abandon(self.side);
        }
    }
}
