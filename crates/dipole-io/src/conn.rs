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

    fn is_closed_elsewhere(&self) -> bool {
        self.closer.as_ref().is_some_and(Closer::is_closed)
    }

    fn fail_read(&mut self, error: io::Error) -> Error {
        let error = self.read.fail(error.into());
        if error.is_closed() {
            self.fail_write(error.clone());
        }
        error
    }

    fn fail_write(&mut self, error: Error) -> Error {
        self.output.clear();
        self.write.fail(error)
    }

    /// The peer's end; after a reset that a write has seen first, the kernel says "end" as well.
    fn end_of_input(&mut self) -> Error {
        let over = match self.write.over() {
            Some(error) if *error.kind() == ErrorKind::Reset => error.clone(),
            _ => ErrorKind::Eof.into(),
        };
        self.read.fail(over)
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
                Poll::Ready(Ok(read)) => self.received += read as u64,
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

    fn write_binary(&mut self, data: Bytes) {
        self.output.write_binary(data);
    }

    fn queued(&self) -> usize {
        self.output.queued()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.poll_sent(cx);
        self.finish_write(cx, polled)
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

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    /// Each idle connection has both; ARCHITECTURE.md, "Speed", says what more would cost.
    #[test]
    fn the_buffers_of_an_idle_connection_are_small() {
        assert_eq!((size_of::<Input>(), size_of::<Output>()), (48, 64));
    }
}
