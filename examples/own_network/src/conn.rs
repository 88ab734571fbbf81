//! A connection: two pipes, made into a whole `Conn` by `dipole-io`.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use dipole_io::{BufferPool, IoConn};
use dipole_net::{Addr, Connection, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::offer::Ends;

/// The connection of these ends. Called on a tokio runtime.
///
/// # Errors
/// An end is not a pipe, or the wrong end of one: what comes from another process may be anything.
pub(crate) fn over(
    ends: Ends,
    local: Addr,
    peer: Addr,
    buffers: &BufferPool,
) -> Result<Connection> {
    let pipes = PipePair {
        input: Receiver::from_owned_fd(ends.input)?,
        output: Some(Sender::from_owned_fd(ends.output)?),
    };
    Ok(Connection::Bytes(Box::new(IoConn::over(pipes, local, peer, buffers))))
}

/// Two pipes that are read and written as one thing.
struct PipePair {
    input: Receiver,
    /// `None` after a half-close: the peer reads to the end when the last writer has gone.
    output: Option<Sender>,
}

impl PipePair {
    fn output(&mut self) -> io::Result<Pin<&mut Sender>> {
        self.output.as_mut().map(Pin::new).ok_or_else(|| ErrorKind::BrokenPipe.into())
    }
}

impl AsyncRead for PipePair {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PipePair {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.output()?.poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.output()?.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// A pipe has what was written at once.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output = None;
        Poll::Ready(Ok(()))
    }
}
