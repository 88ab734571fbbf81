//! Encrypting a connection's output into the connection below it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dipole_net::Conn;
use tokio::io::AsyncWrite;

use crate::fault;
use crate::session::Session;

/// Sealed bytes that are queued below before they have to leave. A body of 64 KiB and its head go
/// in one flush.
const MOST_QUEUED: usize = 80 * 1024;

/// Takes plain bytes and queues records, no more of them than the connection below takes.
pub(crate) struct Sealer<'a> {
    pub(crate) session: &'a mut Session,
    pub(crate) lower: &'a mut dyn Conn,
}

impl AsyncWrite for Sealer<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Sealer { session, lower } = self.get_mut();
        if lower.queued() >= MOST_QUEUED {
            ready!(lower.poll_flush(cx))?;
        }
        let taken = session.seal(data, *lower).map_err(fault::error)?;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(ready!(self.get_mut().lower.poll_flush(cx))?))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(ready!(self.get_mut().lower.poll_shutdown(cx))?))
    }
}
