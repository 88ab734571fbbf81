//! A connection over anything that reads and writes asynchronously.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Addr, Closer, Conn, ConnStats, Error, ErrorKind, Result, Side};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{BufferPool, Half, Input, Output, Plain, Socket};

/// A whole [`Conn`] over a [`Socket`].
#[derive(Debug)]
pub struct IoConn<S: Socket> {
    /// `None` after this side's own close.
    socket: Option<S>,
    input: Input,
    output: Output,
    read: Half,
    write: Half,
    /// True when this side has ended its direction.
    is_shut_down: bool,
    /// True when something was read since the last write.
    has_read: bool,
    closer: Option<Closer>,
    local: Addr,
    peer: Addr,
    received: u64,
    sent: u64,
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> IoConn<Plain<T>> {
    /// A connection over `io`, between these two addresses, with buffers from `pool`.
    #[must_use]
    pub fn over(io: T, local: Addr, peer: Addr, pool: &BufferPool) -> Self {
        Self::new(Plain(io), local, peer, pool)
    }
}

impl<S: Socket> IoConn<S> {
    /// A connection over `socket`, between these two addresses, with buffers from `pool`.
    #[must_use]
    pub fn new(socket: S, local: Addr, peer: Addr, pool: &BufferPool) -> Self {
        Self {
            socket: Some(socket),
            input: Input::new(pool),
            output: Output::new(pool),
            read: Half::default(),
            write: Half::default(),
            is_shut_down: false,
            has_read: false,
            closer: None,
            local,
            peer,
            received: 0,
            sent: 0,
        }
    }

    /// The wait of a pending operation: for its closer and its timeout.
    fn poll_wait(&mut self, cx: &mut Context<'_>, side: Side) -> Poll<Error> {
        if let Some(closer) = &self.closer
            && closer.register(side, cx.waker())
        {
            self.close();
            return Poll::Ready(ErrorKind::Closed.into());
        }
        let half = match side {
            Side::Read => &mut self.read,
            Side::Write => &mut self.write,
        };
        ready!(half.poll_elapsed(cx));
        Poll::Ready(ErrorKind::TimedOut.into())
    }

    #[inline]
    fn is_closed_elsewhere(&self) -> bool {
        self.closer.as_ref().is_some_and(Closer::is_closed)
    }

    #[cold]
    fn fail_read(&mut self, error: io::Error) -> Error {
        let error = self.read.fail(error.into());
        if error.is_closed() {
            self.fail_write(error.clone());
        }
        error
    }

    #[cold]
    fn fail_write(&mut self, error: Error) -> Error {
        self.output.clear();
        self.write.fail(error)
    }

    /// The peer's end; after a reset that a write has seen first, the kernel says "end" as well.
    #[cold]
    fn end_of_input(&mut self) -> Error {
        let over = match self.write.over() {
            Some(error) if *error.kind() == ErrorKind::Reset => error.clone(),
            _ => ErrorKind::Eof.into(),
        };
        self.read.fail(over)
    }

    /// Writes what is one piece and taken at once, as most answers are; true when that was all. The
    /// read before it has spent of the task's budget, so a connection that never waits still lets
    /// others have their turn.
    ///
    /// # Errors
    /// The socket's.
    #[inline]
    fn try_send(&mut self) -> Result<bool> {
        if !self.has_read || self.is_closed_elsewhere() || self.write.over().is_some() {
            return Ok(false);
        }
        let (Some(socket), Some(piece)) = (&mut self.socket, self.output.only_piece()) else {
            return Ok(false);
        };
        self.has_read = false;
        match socket.try_write(piece) {
            Ok(n) => {
                self.sent += n as u64;
                self.output.consume(n);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(self.fail_write(error.into())),
        }
        let is_all = self.output.queued() == 0;
        if is_all {
            self.output.release_unused();
            self.write.end();
        }
        Ok(is_all)
    }

    #[inline(never)]
    fn poll_flush_in_parts(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.poll_sent(cx);
        self.finish_write(cx, polled)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_closed_elsewhere() {
            self.close();
        }
        let Some(socket) = &mut self.socket else {
            self.output.clear();
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        if self.output.queued() == 0 && self.write.over().is_none() {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = self.write.over() {
            self.output.clear();
            return Poll::Ready(Err(error.clone()));
        }
        match self.output.poll_write(socket, cx, &mut self.sent) {
            Poll::Ready(Ok(())) => Pin::new(socket).poll_flush(cx).map_err(Error::from),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// As [`poll_sent`](Self::poll_sent), when this side's end follows.
    fn poll_sent_with_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.is_closed_elsewhere()
            && self.write.over().is_none()
            && let (Some(socket), Some(piece)) = (&mut self.socket, self.output.only_piece())
        {
            let n = ready!(socket.poll_write_last(cx, piece))?;
            self.sent += n as u64;
            self.output.consume(n);
            self.output.release_unused();
        }
        self.poll_sent(cx)
    }

    /// Ends a poll of the write side: with its timeout, its error, or its success.
    fn finish_write(&mut self, cx: &mut Context<'_>, polled: Poll<Result<()>>) -> Poll<Result<()>> {
        let error = match polled {
            Poll::Ready(Ok(())) => {
                self.write.end();
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(error)) => error,
            Poll::Pending => ready!(self.poll_wait(cx, Side::Write)),
        };
        if self.socket.is_none() {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        }
        Poll::Ready(Err(self.fail_write(error)))
    }
}

impl<S: Socket> Conn for IoConn<S> {
    fn len(&self) -> usize {
        self.input.len()
    }

    fn buffered(&self) -> &[u8] {
        self.input.buffered()
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>, n: usize) -> Poll<Result<()>> {
        if self.is_closed_elsewhere() {
            self.close();
        }
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        while self.input.len() < n {
            if let Some(error) = self.read.over() {
                return Poll::Ready(Err(error.clone()));
            }
            match self.input.poll_read(socket, cx, n) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.end_of_input())),
                Poll::Ready(Ok(read)) => {
                    self.received += read as u64;
                    self.has_read = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail_read(error))),
                Poll::Pending => return self.poll_wait(cx, Side::Read).map(Err),
            }
        }
        self.read.end();
        Poll::Ready(Ok(()))
    }

    fn skip(&mut self, n: usize) -> Result<()> {
        if self.socket.is_none() {
            return Err(ErrorKind::Closed.into());
        }
        self.input.skip(n)
    }

    fn split(&mut self, n: usize) -> Result<Bytes> {
        if self.socket.is_none() {
            return Err(ErrorKind::Closed.into());
        }
        self.input.split(n)
    }

    fn release(&mut self) {
        self.input.release();
    }

    fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.output.borrow_from(&mut self.input);
        self.output.malloc(n)
    }

    fn write_slice(&mut self, data: &[u8]) {
        self.output.borrow_from(&mut self.input);
        self.output.write_slice(data);
    }

    fn write_binary(&mut self, data: Bytes) {
        self.output.write_binary(data);
    }

    fn queued(&self) -> usize {
        self.output.queued()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match self.try_send() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => self.poll_flush_in_parts(cx),
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_shut_down && self.socket.is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut polled = self.poll_sent_with_end(cx);
        if let (Poll::Ready(Ok(())), Some(socket)) = (&polled, &mut self.socket) {
            polled = Pin::new(socket).poll_shutdown(cx).map_err(Error::from);
        }
        let finished = self.finish_write(cx, polled);
        if let Poll::Ready(Ok(())) = finished {
            self.is_shut_down = true;
            self.write.fail(ErrorKind::Closed.into());
        }
        finished
    }

    fn abandon(&mut self, side: Side) {
        match side {
            Side::Read => self.read.end(),
            Side::Write => self.write.end(),
        }
    }

    fn close(&mut self) {
        self.socket = None;
        self.input.clear();
        self.output.clear();
        self.read.end();
        self.write.end();
    }

    fn reset(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.reset_on_drop();
        }
        self.close();
    }

    fn closer(&mut self) -> Closer {
        self.closer.get_or_insert_default().clone()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read.set_timeout(timeout);
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write.set_timeout(timeout);
    }

    fn local_addr(&self) -> Addr {
        self.local.clone()
    }

    fn peer_addr(&self) -> Addr {
        self.peer.clone()
    }

    fn stats(&self) -> ConnStats {
        let mut stats = ConnStats::default();
        stats.received = self.received;
        stats.sent = self.sent;
        stats.copied = self.output.copied();
        stats.input_memory = self.input.memory();
        stats.output_memory = self.output.memory();
        stats
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use dipole_net::ConnExt;
    use tokio::io::ReadBuf;

    use super::*;

    /// Each idle connection has both; ARCHITECTURE.md, "Speed", says what more would cost.
    #[cfg(target_pointer_width = "64")]
    #[test]
    fn the_buffers_of_an_idle_connection_are_small() {
        assert_eq!((size_of::<Input>(), size_of::<Output>()), (48, 64));
    }

    /// Has always something to read, and tells how it was written to.
    struct Scripted {
        at_once: Vec<io::Result<usize>>,
        log: std::sync::mpsc::Sender<String>,
    }

    impl Socket for Scripted {
        fn try_write(&mut self, data: &[u8]) -> io::Result<usize> {
            let _ = self.log.send(format!("try {}", data.escape_ascii()));
            self.at_once.pop().unwrap_or(Ok(data.len()))
        }
    }

    impl AsyncRead for Scripted {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buffer.put_slice(b"?");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Scripted {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            let _ = self.log.send(format!("poll {}", data.escape_ascii()));
            Poll::Ready(Ok(data.len()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn scripted(
        at_once: Vec<io::Result<usize>>,
    ) -> (IoConn<Scripted>, impl FnMut() -> Vec<String>) {
        let (log, logged) = std::sync::mpsc::channel();
        let socket = Scripted { at_once, log };
        let conn = IoConn::new(socket, Addr::Unnamed, Addr::Unnamed, &BufferPool::default());
        (conn, move || logged.try_iter().collect())
    }

    fn read(conn: &mut IoConn<Scripted>) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(conn.poll_fill(&mut cx, conn.len() + 1), Poll::Ready(Ok(()))));
        conn.skip(conn.len()).expect("they are held");
    }

    fn write(conn: &mut IoConn<Scripted>, data: &[u8]) -> Result<()> {
        let mut cx = Context::from_waker(Waker::noop());
        conn.put(data);
        match conn.poll_flush(&mut cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => panic!("this socket never waits"),
        }
    }

    #[test]
    fn each_read_lets_one_write_pass_without_the_tasks_budget() {
        let (mut conn, mut log) = scripted(vec![]);
        write(&mut conn, b"a").expect("it is taken");
        for _ in 0..2 {
            read(&mut conn);
            read(&mut conn);
            write(&mut conn, b"b").expect("it is taken");
            write(&mut conn, b"c").expect("it is taken");
        }
        assert_eq!(log(), ["poll a", "try b", "poll c", "try b", "poll c"]);
        assert_eq!((conn.queued(), conn.stats().sent), (0, 5));
        assert_eq!((conn.stats().input_memory, conn.stats().output_memory), (0, 0));
    }

    #[test]
    fn what_is_not_taken_at_once_is_sent_after_it() {
        let (mut conn, mut log) = scripted(vec![Err(io::ErrorKind::WouldBlock.into()), Ok(2)]);
        read(&mut conn);
        write(&mut conn, b"abc").expect("it is taken");
        read(&mut conn);
        write(&mut conn, b"def").expect("it is taken");
        assert_eq!(log(), ["try abc", "poll c", "try def", "poll def"]);
        assert_eq!((conn.queued(), conn.stats().sent), (0, 6));
    }

    #[test]
    fn a_write_that_fails_at_once_keeps_the_kind_of_its_error() {
        let (mut conn, mut log) = scripted(vec![Err(io::ErrorKind::ConnectionReset.into())]);
        read(&mut conn);
        for _ in 0..2 {
            let error = write(&mut conn, b"abc").expect_err("the peer is gone");
            assert_eq!(*error.kind(), ErrorKind::Reset);
        }
        assert_eq!(log(), ["try abc"], "the error is sticky");
        assert_eq!(conn.queued(), 0);
    }
}
