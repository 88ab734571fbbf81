//! A connection on a ring.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use dipole_io::{BufferPool, OperationTimer, Output};
use dipole_net::{Addr, Closer, Conn, ConnStats, Error, ErrorKind, Result, Side};

use crate::input::Input;
use crate::reactor::{Piece, Place};
use crate::ring::Payload;
use crate::ring_socket::RingSocket;

/// A TCP or Unix connection whose bytes move through a ring.
///
/// The kernel receives into the ring's buffers, where they are read in place. What is flushed
/// belongs to the ring until the kernel has taken it, whatever becomes of the connection.
///
/// What each request needs comes first, in this order: it is brought into the cache before it is wanted.
#[repr(C)]
pub(crate) struct UringConn {
    /// `None` after this side's own close.
    socket: Option<RingSocket>,
    input: Input,
    /// What had come when the last flush ended: the next fill takes it without asking the ring.
    next: Option<Piece>,
    output: Output,
    /// Bytes that the ring is sending.
    in_flight: usize,
    read: Half,
    write: Half,
    closer: Option<Closer>,
    received: u64,
    sent: u64,
    is_shut_down: bool,
    local: Addr,
    peer: Addr,
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
            next: None,
            output: Output::new(buffers),
            in_flight: 0,
            read: Half::default(),
            write: Half::default(),
            closer: None,
            received: 0,
            sent: 0,
            is_shut_down: false,
            local,
            peer,
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
                socket.on_ring(|socket, _, engine| socket.give_up_sending(engine));
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
        let (in_flight, next) = (&mut self.in_flight, &mut self.next);
        let (output, sent) = (&mut self.output, &mut self.sent);
        let polled = socket.on_ring(|socket, key, engine| {
            if *in_flight > 0 {
                ready!(socket.poll_sent(key, cx, engine))?;
                *sent += std::mem::take(in_flight) as u64;
                if next.is_none() {
                    *next = socket.take_received();
                    if next.is_some() && !output.has_buffer() {
                        output.reuse(engine.spare());
                    }
                }
            }
            if output.queued() == 0 {
                return Poll::Ready(io::Result::Ok(()));
            }
            *in_flight = output.queued();
            let (pieces, tail) = output.take();
            socket.send(key, Payload { pieces, tail }, engine);
            socket.poll_sent(key, cx, engine)
        });
        polled
            .unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::NotConnected.into())))
            .map_err(Error::from)
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
        let owner = Place::of(self);
        let Some(socket) = &self.socket else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        if self.input.len() < n {
            if let Some(error) = &self.read.over {
                return Poll::Ready(Err(error.clone()));
            }
            self.input.release();
            let (input, next, received) = (&mut self.input, &mut self.next, &mut self.received);
            if let Some(piece) = next.take() {
                *received += piece.len() as u64;
                input.push(piece, n);
            }
            if input.len() >= n {
                self.read.end();
                return Poll::Ready(Ok(()));
            }
            let output = &mut self.output;
            let polled = socket.on_ring(|socket, key, engine| {
                while input.len() < n {
                    let piece: Option<Piece> = ready!(socket.poll_receive(key, owner, cx, engine))?;
                    let Some(piece) = piece else { return Poll::Ready(Ok(0)) };
                    *received += piece.len() as u64;
                    input.push(piece, n);
                }
                // What comes is answered, mostly.
                if !output.has_buffer() {
                    output.reuse(engine.spare());
                }
                Poll::Ready(io::Result::Ok(1))
            });
            let polled = polled.unwrap_or(Poll::Ready(Err(io::ErrorKind::NotConnected.into())));
            match polled {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.end_of_input())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail_read(error))),
                Poll::Pending => {
                    self.output.release_unused();
                    return self.poll_wait(cx, Side::Read).map(Err);
                }
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
        // Given with what has come; whoever was to answer has not.
        self.output.release_unused();
    }

    fn malloc(&mut self, n: usize) -> &mut [u8] {
        self.output.malloc(n)
    }

    fn write_slice(&mut self, data: &[u8]) {
        self.output.write_slice(data);
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
                    socket.on_ring(|socket, _, engine| socket.forget_reader(engine));
                }
            }
            // What is under way goes on: the next flush waits for it.
            Side::Write => self.write.end(),
        }
    }

    fn close(&mut self) {
        self.socket = None;
        self.input.clear();
        self.next = None;
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
        stats.input_memory = self.input.memory() + self.next.as_ref().map_or(0, Piece::memory);
        stats.output_memory = self.output.memory() + self.in_flight;
        stats
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::reactor::OWNER_LINES;

    #[test]
    fn what_each_request_needs_of_a_connection_is_brought_into_the_cache() {
        // An allocation begins 48 bytes into a line at most.
        assert!(48 + offset_of!(UringConn, is_shut_down) <= 64 * OWNER_LINES);
    }
}
