//! What a connection over tokio's I/O traits needs of the thing below it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An asynchronous byte stream; what it can say beyond reading and writing is optional.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Ready when a read is likely to give something, so that nothing takes a buffer before; ready
    /// at once where that cannot be known.
    ///
    /// # Errors
    /// The event source's.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Writes what is taken at once and needs no `poll_flush`, and neither waits nor spends the task's
    /// budget: a read came before, which has spent it.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken at once, or where that cannot be known: then `poll_write` is
    /// asked. Else as `poll_write`.
    fn try_write(&mut self, data: &[u8]) -> io::Result<usize> {
        let _ = data;
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Writes as `poll_write` does, where this side's end follows at once: what can do so sends both
    /// in one packet.
    ///
    /// # Errors
    /// As `poll_write`.
    fn poll_write_last(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, data)
    }

    /// Makes dropping it a reset for the peer, where it can.
    fn reset_on_drop(&mut self) {}
}

/// Any asynchronous reader and writer as a [`Socket`].
#[derive(Debug)]
pub struct Plain<T>(pub T);

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for Plain<T> {}

impl<T: AsyncRead + Unpin> AsyncRead for Plain<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Plain<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
