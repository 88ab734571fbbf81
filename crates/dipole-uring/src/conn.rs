//! A connection on a ring.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dipole_io::{BufferPool, OperationTimer, Output};
use dipole_net::{Addr, Closer, Conn, ConnStats, Error, ErrorKind, Result, Side};
use socket2::SockRef;

use crate::input::Input;
use crate::link::Link;
use crate::reactor::Piece;
use crate::ring::Payload;
use crate::slots::Key;

/// A socket on a ring; closed when dropped.
pub(crate) struct RingSocket {
    link: Link,
    key: Key,
}

impl RingSocket {
    pub(crate) fn new(link: Link, key: Key) -> Self {
        Self { link, key }
    }

    pub(crate) fn poll_connected(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.link.shared.with(|reactor| reactor.poll_sent(self.key, cx)).map_ok(drop)
    }

    /// Acts on the socket itself; `None` when the ring has ended.
    pub(crate) fn with<T>(&self, act: impl FnOnce(SockRef<'_>) -> T) -> Option<T> {
        let act = |reactor: &mut crate::reactor::Reactor<_>| {
            reactor.descriptor(self.key).map(|descriptor| act(SockRef::from(descriptor)))
        };
        self.link.shared.with(act)
    }
}

impl Drop for RingSocket {
    fn drop(&mut self) {
        self.link.shared.with(|reactor| reactor.close(self.key));
    }
}

/// A TCP or Unix connection whose bytes move through a ring.
///
/// The kernel receives into the ring's buffers, where they are read in place. What is flushed
/// belongs to the ring until the kernel has taken it, whatever becomes of the connection.
pub(crate) struct UringConn {
    /// `None` after this side's own close.
    socket: Option<RingSocket>,
    input: Input,
    output: Output,
    /// Bytes that the ring is sending.
    in_flight: usize,
    read: Half,
    write: Half,
    is_shut_down: bool,
    closer: Option<Closer>,
    local: Addr,
    peer: Addr,
    received: u64,
    sent: u64,
}

/// What reading and writing have alike.
#[derive(Default)]
struct Half {
    timer: OperationTimer,
    patience: Patience,
    /// Why this half is over, given again each time.
    over: Option<Error>,
}

/// How an operation's timeout ends it.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Its time is not up.
    #[default]
    Running,
    /// It is up; what the kernel had by then is still looked at.
    LastLook,
}

impl UringConn {
    pub(crate) fn new(socket: RingSocket, local: Addr, peer: Addr, buffers: &BufferPool) -> Self {
        Self {
            socket: Some(socket),
            input: Input::default(),
            output: Output::new(buffers),
            in_flight: 0,
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

    fn is_closed_elsewhere(&self) -> bool {
        self.closer.as_ref().is_some_and(Closer::is_closed)
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
        if half.patience == Patience::Running {
            ready!(half.timer.poll_elapsed(cx));
            // The kernel may have finished by now without the ring having said so (B10).
            half.patience = Patience::LastLook;
            if let Some(socket) = &self.socket {
                socket.link.shared.with(|reactor| reactor.wake_after_turn(cx.waker()));
            }
            return Poll::Pending;
        }
        half.patience = Patience::Running;
        Poll::Ready(ErrorKind::TimedOut.into())
    }

    fn fail_read(&mut self, error: io::Error) -> Error {
        let error = Error::from(error);
        self.read.end();
        self.read.over = Some(error.clone());
        if error.is_closed() {
            self.fail_write(error.clone());
        }
        error
    }

    fn fail_write(&mut self, error: Error) -> Error {
        self.output.clear();
        if self.in_flight > 0 {
            self.in_flight = 0;
            if let Some(socket) = &self.socket {
                socket.link.shared.with(|reactor| reactor.give_up_sending(socket.key));
            }
        }
        self.write.end();
        self.write.over.get_or_insert(error).clone()
    }

    /// The peer's end; after a reset that a write has seen first, the kernel says "end" as well.
    fn end_of_input(&mut self) -> Error {
        let over = match &self.write.over {
            Some(error) if *error.kind() == ErrorKind::Reset => error.clone(),
            _ => ErrorKind::Eof.into(),
        };
        self.read.end();
        self.read.over.insert(over).clone()
    }

    fn poll_sent(&mut self, cx: &Context<'_>) -> Poll<Result<()>> {
        if self.is_closed_elsewhere() {
            self.close();
        }
        let Some(socket) = &self.socket else {
            self.output.clear();
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let to_send = self.in_flight + self.output.queued();
        if to_send == 0 && self.write.over.is_none() {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = &self.write.over {
            self.output.clear();
            return Poll::Ready(Err(error.clone()));
        }
        let key = socket.key;
        let mut memory = BytesMut::new();
        let polled = socket.link.shared.with(|reactor| {
            if self.in_flight > 0 {
                memory = ready!(reactor.poll_sent(key, cx))?;
                self.sent += self.in_flight as u64;
                self.in_flight = 0;
            }
            if self.output.queued() == 0 {
                return Poll::Ready(Ok(()));
            }
            self.in_flight = self.output.queued();
            let (pieces, tail) = self.output.take();
            reactor.send(key, Payload { pieces, tail });
            match reactor.poll_sent(key, cx) {
                Poll::Ready(result) => Poll::Ready(result.map(drop).map_err(Error::from)),
                Poll::Pending => Poll::Pending,
            }
        });
        self.output.recycle(memory);
        polled
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

impl Half {
    fn end(&mut self) {
        self.timer.end();
        self.patience = Patience::Running;
    }
}

impl Conn for UringConn {
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
        let Some(socket) = &self.socket else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        if self.input.len() < n {
            if let Some(error) = &self.read.over {
                return Poll::Ready(Err(error.clone()));
            }
            let key = socket.key;
            self.input.release();
            let (input, received) = (&mut self.input, &mut self.received);
            let polled = socket.link.shared.with(|reactor| {
                while input.len() < n {
                    let piece: Option<Piece> = ready!(reactor.poll_receive(key, cx))?;
                    let Some(piece) = piece else { return Poll::Ready(Ok(0)) };
                    *received += piece.len() as u64;
                    input.push(piece, n);
                }
                Poll::Ready(io::Result::Ok(1))
            });
            match polled {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.end_of_input())),
                Poll::Ready(Ok(_)) => {}
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
        self.output.malloc(n)
    }

    fn write_binary(&mut self, data: Bytes) {
        self.output.write_binary(data);
    }

    fn queued(&self) -> usize {
        self.in_flight + self.output.queued()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let polled = self.poll_sent(cx);
        self.finish_write(cx, polled)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_shut_down && self.socket.is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut polled = self.poll_sent(cx);
        if let (Poll::Ready(Ok(())), Some(socket)) = (&polled, &self.socket) {
            // All is sent, so this does not wait.
            let shut = socket.with(|socket| socket.shutdown(std::net::Shutdown::Write));
            polled = Poll::Ready(shut.map_or(Err(ErrorKind::Closed.into()), |r| Ok(r?)));
        }
        let finished = self.finish_write(cx, polled);
        if let Poll::Ready(Ok(())) = finished {
            self.is_shut_down = true;
            self.write.over = Some(ErrorKind::Closed.into());
        }
        finished
    }

    fn abandon(&mut self, side: Side) {
        match side {
            Side::Read => {
                self.read.end();
                if let Some(socket) = &self.socket {
                    socket.link.shared.with(|reactor| reactor.forget_reader(socket.key));
                }
            }
            // What is under way goes on: the next flush waits for it.
            Side::Write => self.write.end(),
        }
    }

    fn close(&mut self) {
        self.socket = None;
        self.input.clear();
        self.output.clear();
        self.in_flight = 0;
        self.read.end();
        self.write.end();
    }

    fn reset(&mut self) {
        if let Some(socket) = &self.socket {
            // On failure the peer sees an end instead of a reset; nothing else depends on it.
            socket.with(|socket| drop(socket.set_linger(Some(Duration::ZERO))));
        }
        self.close();
    }

    fn closer(&mut self) -> Closer {
        self.closer.get_or_insert_default().clone()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read.timer.set(timeout);
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write.timer.set(timeout);
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
        stats.output_memory = self.output.memory() + self.in_flight;
        stats
    }
}
