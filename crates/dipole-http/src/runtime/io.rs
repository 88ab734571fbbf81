//! A connection as hyper's reader and writer, with the write deadline.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_io::AsyncConn;
use dipole_net::Conn;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::Instant;

use crate::server::Deadline;

/// A connection for hyper. Writing fails when the peer takes nothing of what is queued for as long
/// as the write timeout.
pub(crate) struct ConnIo {
    conn: AsyncConn<Box<dyn Conn>>,
    timeout: Option<Duration>,
    /// What was queued when a write last had to wait.
    queued: Option<usize>,
    timer: Deadline,
}

impl ConnIo {
    pub(crate) fn new(conn: Box<dyn Conn>, timeout: Option<Duration>) -> Self {
        Self { conn: AsyncConn::new(conn), timeout, queued: None, timer: Deadline::default() }
    }

    /// Passes on what a write gave; while it waits, each progress gives it new time.
    fn poll_paced<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.queued = None;
            return written;
        }
        let queued = self.conn.conn().queued();
        if self.queued.is_none_or(|before| queued < before) {
            self.queued = Some(queued);
            self.timer.set(self.timeout.map(|timeout| Instant::now() + timeout));
        }
        self.timer.poll_passed(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for ConnIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Read::poll_read(Pin::new(&mut self.conn), cx, buffer)
    }
}

impl Write for ConnIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Write::poll_write(Pin::new(&mut self.conn), cx, data);
        self.poll_paced(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Write::poll_flush(Pin::new(&mut self.conn), cx);
        self.poll_paced(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Write::poll_shutdown(Pin::new(&mut self.conn), cx);
        self.poll_paced(ended, cx)
    }
}
