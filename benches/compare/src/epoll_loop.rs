//! A bare epoll loop that looks for the blank line and writes a canned answer: what the floors on
//! epoll have alike.
//!
//! It does the least that a server on epoll can do per request, and nothing that a real one could
//! not: one `recv`, one `send`, its share of one `epoll_wait`, and no allocation. It is no HTTP
//! server: it reads no header but the content-length of a POST, has no limits and no deadlines.
//!
//! Edge-triggered, because that is the cheaper mode: the kernel does not look at the connection a
//! second time. One `recv` a turn suffices all the same: one that did not fill the buffer has
//! emptied the socket.

use std::io::IoSlice;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use crate::canned::{Answers, Asked};
use crate::work::Work;

const INPUT_SIZE: usize = 256 * 1024;
const LISTENER: u64 = u64::MAX;

/// Serves until the process is ended.
pub fn serve(work: impl Work, name: &str) -> std::io::Result<()> {
    let listener = crate::listen();
    crate::announce(listener.local_addr()?, name);
    Server::new(listener, work)?.run()
}

struct Server<W> {
    epoll: OwnedFd,
    listener: TcpListener,
    /// By descriptor number.
    connections: Vec<Option<Connection>>,
    /// Every `recv` goes here; what a connection cannot use yet is kept in its own `held`.
    input: Box<[u8]>,
    /// The answers to the batch at hand.
    output: Vec<u8>,
    floor: Floor<W>,
}

/// What is done for a request.
struct Floor<W> {
    answers: Answers,
    work: W,
}

struct Connection {
    socket: OwnedFd,
    /// Input of an incomplete request, or of requests behind an answer that is not yet sent.
    held: Vec<u8>,
    unsent: Unsent,
}

/// What the socket had no room for: `small`, then what is left of the mebibyte.
#[derive(Default)]
struct Unsent {
    small: Vec<u8>,
    large: &'static [u8],
}

impl Unsent {
    fn is_empty(&self) -> bool {
        self.small.is_empty() && self.large.is_empty()
    }
}

enum Closed {
    Yes,
    No,
}

impl<W: Work> Server<W> {
    fn new(listener: TcpListener, work: W) -> std::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let connections = Vec::new();
        let input = vec![0; INPUT_SIZE].into_boxed_slice();
        let output = Vec::with_capacity(INPUT_SIZE);
        Ok(Self {
            epoll,
            listener,
            connections,
            input,
            output,
            floor: Floor { answers: Answers::default(), work },
        })
    }

    fn run(mut self) -> std::io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            for &event in &events {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    descriptor => self.turn(descriptor as usize, event.flags),
                }
            }
        }
    }

    fn accept(&mut self) -> std::io::Result<()> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = match accept_with(&self.listener, flags) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error.into()),
            };
            let descriptor = socket.as_raw_fd() as usize;
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(descriptor as u64), interest)?;
            if self.connections.len() <= descriptor {
                self.connections.resize_with(descriptor + 1, || None);
            }
            let connection = Connection { socket, held: Vec::new(), unsent: Unsent::default() };
            self.connections[descriptor] = Some(connection);
        }
    }

    /// Handles one event of one connection.
    fn turn(&mut self, descriptor: usize, flags: EventFlags) {
        let Some(connection) = &mut self.connections[descriptor] else {
            return;
        };
        let (input, output) = (&mut self.input[..], &mut self.output);
        if let Closed::Yes = connection.turn(flags, input, output, &mut self.floor) {
            self.connections[descriptor] = None;
        }
    }
}

impl Connection {
    fn turn(
        &mut self,
        flags: EventFlags,
        input: &mut [u8],
        output: &mut Vec<u8>,
        floor: &mut Floor<impl Work>,
    ) -> Closed {
        if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
            return Closed::Yes;
        }
        if !self.unsent.is_empty() {
            match self.send_the_rest(output, floor) {
                Ok(()) if self.unsent.is_empty() => {}
                Ok(()) => return Closed::No,
                Err(_) => return Closed::Yes,
            }
        } else if !flags.intersects(EventFlags::IN | EventFlags::RDHUP) {
            return Closed::No;
        }
        loop {
            let received = match recv(&self.socket, &mut *input, RecvFlags::empty()) {
                Ok((0, _)) => return Closed::Yes,
                Ok((received, _)) => received,
                Err(Errno::AGAIN) => return Closed::No,
                Err(Errno::INTR) => continue,
                Err(_) => return Closed::Yes,
            };
            if self.answer(&input[..received], output, floor).is_err() {
                return Closed::Yes;
            }
            // With an answer unsent, the rest of the input waits until the socket takes it.
            if !self.unsent.is_empty() {
                return Closed::No;
            }
            // A short read has emptied the socket, and later bytes are a new event. Only the end of
            // the stream may already have been reported together with the bytes.
            if received < input.len() && !flags.contains(EventFlags::RDHUP) {
                return Closed::No;
            }
        }
    }

    /// Answers the whole requests in what was held and received; holds the rest.
    fn answer(
        &mut self,
        received: &[u8],
        output: &mut Vec<u8>,
        floor: &mut Floor<impl Work>,
    ) -> Result<(), Errno> {
        if self.held.is_empty() {
            let used = self.answer_batch(received, output, floor)?;
            self.held.extend_from_slice(&received[used..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(received);
            let used = self.answer_batch(&held, output, floor)?;
            held.drain(..used);
            self.held = held;
        }
        Ok(())
    }

    /// Answers the whole requests in `input` with one write, and tells how many bytes they were. A
    /// mebibyte ends the batch unless the socket takes it whole.
    fn answer_batch(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        floor: &mut Floor<impl Work>,
    ) -> Result<usize, Errno> {
        let mut used = 0;
        output.clear();
        let Floor { answers, work } = floor;
        while let Some((asked, length)) = answers.next(&input[used..]).map_err(|_| Errno::INVAL)? {
            used += length;
            work.request(asked);
            if let Asked::Mebibyte = asked {
                output.extend_from_slice(&answers.mebibyte_head);
                self.send(output, answers.mebibyte)?;
                output.clear();
                if !self.unsent.is_empty() {
                    break;
                }
            } else {
                answers.put(output, asked);
            }
        }
        if !output.is_empty() {
            self.send(output, &[])?;
        }
        Ok(used)
    }

    /// Sends `small` and then `large`; what does not fit stays in `unsent` until the socket has
    /// room.
    fn send(&mut self, small: &[u8], large: &'static [u8]) -> Result<(), Errno> {
        let result = if large.is_empty() {
            send(&self.socket, small, SendFlags::NOSIGNAL)
        } else {
            rustix::io::writev(&self.socket, &[IoSlice::new(small), IoSlice::new(large)])
        };
        let sent = match result {
            Ok(sent) => sent,
            Err(Errno::AGAIN) => 0,
            Err(error) => return Err(error),
        };
        let sent_small = sent.min(small.len());
        self.unsent.small.extend_from_slice(&small[sent_small..]);
        self.unsent.large = &large[sent - sent_small..];
        Ok(())
    }

    /// Goes on with `unsent`, and once it is sent with the requests held behind it.
    fn send_the_rest(
        &mut self,
        output: &mut Vec<u8>,
        floor: &mut Floor<impl Work>,
    ) -> Result<(), Errno> {
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent.small, unsent.large)?;
        if self.unsent.is_empty() && !self.held.is_empty() {
            self.answer(&[], output, floor)?;
        }
        Ok(())
    }
}
