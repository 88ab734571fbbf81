//! A connection as hyper's reader and writer, with the write deadline.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_io::AsyncConn;
use dipole_net::Conn;
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::server::Deadline;

/// A connection for hyper. Writing fails when the peer takes nothing of what is queued for as long
/// as the write timeout.
pub(crate) struct ConnIo {
    conn: AsyncConn<Box<dyn Conn>>,
    timeout: Option<Duration>,
    /// Bytes that hyper has written.
    written: u64,
    /// How many of them the network had taken when it last took some; `None` while none wait.
    taken: Option<u64>,
    timer: Deadline,
    sending: Sending,
    /// Dropped with the connection.
    _alive: Option<oneshot::Sender<()>>,
}

/// When what is written leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    WhenFlushed,
    AtOnce,
}

impl ConnIo {
    pub(crate) fn new(conn: Box<dyn Conn>, timeout: Option<Duration>) -> Self {
        let (conn, timer) = (AsyncConn::new(conn), Deadline::default());
        Self {
            conn,
            timeout,
            written: 0,
            taken: None,
            timer,
            sending: Sending::WhenFlushed,
            _alive: None,
        }
    }

    /// A connection that may be upgraded, and what ends when it is dropped, wherever it is by then.
    ///
    /// What is written leaves at once, as far as the network takes it: protocols that are at home
    /// on TCP do not always flush.
    pub(crate) fn to_upgrade(
        conn: Box<dyn Conn>,
        timeout: Option<Duration>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (alive, ended) = oneshot::channel();
        let io = Self { sending: Sending::AtOnce, _alive: Some(alive), ..Self::new(conn, timeout) };
        (io, async { drop(ended.await) })
    }

    /// The connection. What is queued on it goes behind what hyper has written.
    pub(crate) fn conn_mut(&mut self) -> &mut dyn Conn {
        &mut **self.conn.conn_mut()
    }

    /// Passes on what a write gave; while it waits, each progress gives it new time.
    fn poll_paced<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let queued = self.conn.conn().queued() as u64;
        if queued == 0 {
            self.taken = None;
        }
        // That there is room for more does not mean that anything has left.
        if written.is_ready() {
            return written;
        }
        let taken = self.written.saturating_sub(queued);
        if self.taken.is_none_or(|before| taken > before) {
            self.taken = Some(taken);
            self.timer.set(self.timeout.map(|timeout| Instant::now() + timeout));
        }
        // An upgraded connection is written to by whichever task has it.
        self.timer.poll_passed_for(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
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
        if let Poll::Ready(Ok(count)) = &written {
            self.written += *count as u64;
        }
        if self.sending == Sending::AtOnce && matches!(written, Poll::Ready(Ok(_))) {
            // What it cannot send, or why, a later write or flush says.
            let _ = Write::poll_flush(Pin::new(&mut self.conn), cx);
        }
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
