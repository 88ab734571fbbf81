//! Any connection as tokio's and hyper's readers and writers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dipole_net::Conn;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that is queued before a write waits for the network, in bytes.
const MOST_QUEUED: usize = 64 * 1024;

/// A [`Conn`] as `AsyncRead + AsyncWrite` and as hyper's `Read + Write`.
///
/// A write queues a copy; a flush sends it, as does a write that finds 64 KiB queued. Nothing is
/// lost when the adapter is taken off again with [`into_inner`](Self::into_inner).
#[derive(Debug)]
pub struct AsyncConn<C> {
    conn: C,
}

impl<C: Conn> AsyncConn<C> {
    /// Wraps a connection.
    pub fn new(conn: C) -> Self {
        Self { conn }
    }

    /// The connection, with what it holds.
    pub fn into_inner(self) -> C {
        self.conn
    }

    /// The connection.
    pub fn conn(&self) -> &C {
        &self.conn
    }

    /// The connection. What is queued on it goes behind what was written here.
    pub fn conn_mut(&mut self) -> &mut C {
        &mut self.conn
    }

    /// Waits for at least one byte and gives what is held; empty at the end.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        match ready!(self.conn.poll_fill(cx, 1)) {
            Ok(()) => Poll::Ready(Ok(self.conn.buffered())),
            Err(error) if error.is_eof() => Poll::Ready(Ok(&[])),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    fn consume(&mut self, n: usize) -> io::Result<()> {
        self.conn.skip(n)?;
        self.conn.release();
        Ok(())
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.conn.queued() >= MOST_QUEUED {
            ready!(self.conn.poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: Conn + Unpin> AsyncRead for AsyncConn<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let this = self.get_mut();
        let held = ready!(this.poll_held(cx))?;
        let n = held.len().min(buffer.remaining());
        buffer.put_slice(&held[..n]);
        Poll::Ready(this.consume(n))
    }
}

impl<C: Conn + Unpin> AsyncWrite for AsyncConn<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_room(cx))?;
        let n = data.len().min(MOST_QUEUED);
        this.conn.write_binary(Bytes::copy_from_slice(&data[..n]));
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().conn.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().conn.poll_shutdown(cx).map_err(io::Error::from)
    }
}

impl<C: Conn + Unpin> hyper::rt::Read for AsyncConn<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let this = self.get_mut();
        let held = ready!(this.poll_held(cx))?;
        let n = held.len().min(buffer.remaining());
        buffer.put_slice(&held[..n]);
        Poll::Ready(this.consume(n))
    }
}

impl<C: Conn + Unpin> hyper::rt::Write for AsyncConn<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(self, cx)
    }
}
