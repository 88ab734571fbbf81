//! A bare ring that looks for the blank line and writes a canned answer: what the floors on io_uring
//! have alike.
//!
//! Accepting and receiving are asked for once and go on; received bytes are looked at where the
//! kernel has put them, in a ring of provided buffers; one system call a turn gives the kernel all
//! answers and takes all that has come. It is no HTTP server: it reads no header but the
//! content-length of a POST, has no limits and no deadlines.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::canned::{Answers, Asked};
use crate::work::Work;

const ENTRIES: u32 = 1024;
const BUFFERS: u16 = 2048;
const BUFFER_SIZE: usize = 4096;
const GROUP: u16 = 0;

/// What a completion is of: the high bits of its `user_data`; the low ones are a descriptor.
const ACCEPT: u64 = 0 << 32;
const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;

/// Serves until the process is ended.
pub fn serve(work: impl Work, name: &str) -> io::Result<()> {
    let listener = crate::listen();
    // The ring waits for the socket itself.
    listener.set_nonblocking(false)?;
    crate::announce(listener.local_addr()?, name);
    Server::new(listener.as_raw_fd(), work)?.run()
}

struct Server<W> {
    ring: IoUring,
    buffers: Buffers,
    /// What did not fit into the submission queue.
    backlog: VecDeque<squeue::Entry>,
    /// By descriptor number. Boxed, for the kernel has pointers into it.
    connections: Vec<Option<Box<Connection>>>,
    floor: Floor<W>,
    listener: RawFd,
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
    /// What the kernel is sending: `small`, then `large`.
    small: Vec<u8>,
    large: &'static [u8],
    vectors: [libc::iovec; 2],
    message: libc::msghdr,
    is_sending: bool,
    is_receiving: bool,
    is_over: bool,
}

impl<W: Work> Server<W> {
    fn new(listener: RawFd, work: W) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(ENTRIES * 8)
            .build(ENTRIES)?;
        let buffers = Buffers::new(&ring)?;
        let (backlog, connections) = (VecDeque::new(), Vec::new());
        let floor = Floor { answers: Answers::default(), work };
        Ok(Self { ring, buffers, backlog, connections, floor, listener })
    }

    fn run(mut self) -> io::Result<()> {
        self.accept();
        let mut completions = Vec::with_capacity(ENTRIES as usize);
        loop {
            match self.ring.submit_and_wait(1) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
            completions.extend(self.ring.completion());
            for completion in completions.drain(..) {
                self.turn(&completion);
            }
            while let Some(entry) = self.backlog.pop_front() {
                // SAFETY: as in `push`.
                if unsafe { self.ring.submission().push(&entry) }.is_err() {
                    self.backlog.push_front(entry);
                    break;
                }
            }
        }
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: all that an entry points to is in a boxed `Connection`, which is dropped only
        // when nothing is under way on it, or static.
        if unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.backlog.push_back(entry);
        }
    }

    fn accept(&mut self) {
        let accept = opcode::AcceptMulti::new(Fd(self.listener)).flags(libc::SOCK_CLOEXEC);
        self.push(accept.build().user_data(ACCEPT));
    }

    fn receive(&mut self, descriptor: RawFd) {
        let receive = opcode::RecvMulti::new(Fd(descriptor), GROUP).build();
        self.push(receive.user_data(RECEIVE | descriptor as u64));
        if let Some(connection) = &mut self.connections[descriptor as usize] {
            connection.is_receiving = true;
        }
    }

    fn turn(&mut self, completion: &cqueue::Entry) {
        let (result, flags) = (completion.result(), completion.flags());
        let descriptor = completion.user_data() as u32 as RawFd;
        match completion.user_data() & !u64::from(u32::MAX) {
            ACCEPT => self.accepted(result, cqueue::more(flags)),
            RECEIVE => self.received(descriptor, result, flags),
            SEND => self.sent(descriptor, result),
            _ => {}
        }
    }

    fn accepted(&mut self, result: i32, more: bool) {
        if result >= 0 {
            let at = result as usize;
            if self.connections.len() <= at {
                self.connections.resize_with(at + 1, || None);
            }
            // SAFETY: the kernel has opened it for us, and says so once.
            let socket = unsafe { OwnedFd::from_raw_fd(result) };
            self.connections[at] = Some(Box::new(Connection::new(socket)));
            self.receive(result);
        }
        if !more {
            self.accept();
        }
    }

    fn received(&mut self, descriptor: RawFd, result: i32, flags: u32) {
        let Some(connection) = &mut self.connections[descriptor as usize] else { return };
        let more = cqueue::more(flags);
        connection.is_receiving = more;
        let mut entry = None;
        if let Some(index) = cqueue::buffer_select(flags) {
            let input = self.buffers.filled(index, result.max(0) as usize);
            entry = connection.take_in(input, &mut self.floor);
            self.buffers.give(index);
        }
        let is_starved = result == -libc::ENOBUFS;
        connection.is_over |= !is_starved && result <= 0;
        if let Some(entry) = entry {
            self.push(entry.user_data(SEND | descriptor as u64));
        }
        self.go_on(descriptor);
    }

    fn sent(&mut self, descriptor: RawFd, result: i32) {
        let Some(connection) = &mut self.connections[descriptor as usize] else { return };
        // The kernel sends all of it, or fails.
        connection.is_over |= result < 0;
        connection.is_sending = false;
        if !connection.held.is_empty()
            && let Some(entry) = connection.take_in(&[], &mut self.floor)
        {
            self.push(entry.user_data(SEND | descriptor as u64));
        }
        self.go_on(descriptor);
    }

    /// Receives again, or closes.
    fn go_on(&mut self, descriptor: RawFd) {
        let Some(connection) = &mut self.connections[descriptor as usize] else { return };
        if connection.is_over && !connection.is_sending && !connection.is_receiving {
            self.connections[descriptor as usize] = None;
        } else if !connection.is_receiving && !connection.is_over {
            self.receive(descriptor);
        }
    }
}

impl Connection {
    fn new(socket: OwnedFd) -> Self {
        // SAFETY: zeros are valid for both.
        let (vectors, message) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        Self {
            socket,
            held: Vec::new(),
            small: Vec::new(),
            large: &[],
            vectors,
            message,
            is_sending: false,
            is_receiving: false,
            is_over: false,
        }
    }

    /// Answers the whole requests in what was held and has come; gives what is to be sent.
    fn take_in(&mut self, input: &[u8], floor: &mut Floor<impl Work>) -> Option<squeue::Entry> {
        if self.is_sending {
            self.held.extend_from_slice(input);
            return None;
        }
        if self.held.is_empty() {
            let used = self.answer(input, floor);
            self.held.extend_from_slice(&input[used..]);
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(input);
            let used = self.answer(&held, floor);
            held.drain(..used);
            self.held = held;
        }
        (!self.small.is_empty()).then(|| self.send())
    }

    /// Puts the answers into `small` and `large`, and tells how many bytes were used. A mebibyte ends
    /// the batch.
    fn answer(&mut self, input: &[u8], floor: &mut Floor<impl Work>) -> usize {
        let Floor { answers, work } = floor;
        let mut used = 0;
        self.small.clear();
        self.large = &[];
        loop {
            match answers.next(&input[used..]) {
                Ok(Some((asked, length))) => {
                    used += length;
                    work.request(asked);
                    answers.put(&mut self.small, asked);
                    if let Asked::Mebibyte = asked {
                        self.large = answers.mebibyte;
                        return used;
                    }
                }
                Ok(None) => return used,
                Err(_) => {
                    self.is_over = true;
                    return used;
                }
            }
        }
    }

    fn send(&mut self) -> squeue::Entry {
        const WHOLE: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        self.is_sending = true;
        let socket = Fd(self.socket.as_raw_fd());
        if self.large.is_empty() {
            let (from, length) = (self.small.as_ptr(), self.small.len() as u32);
            return opcode::Send::new(socket, from, length).flags(WHOLE).build();
        }
        let vector = |bytes: &[u8]| libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        self.vectors = [vector(&self.small), vector(self.large)];
        self.message.msg_iov = self.vectors.as_mut_ptr();
        self.message.msg_iovlen = 2;
        opcode::SendMsg::new(socket, &raw const self.message).flags(WHOLE as u32).build()
    }
}

/// The ring of provided buffers, for as long as the process lives.
struct Buffers {
    entries: *mut BufRingEntry,
    memory: &'static [u8],
    tail: u16,
}

impl Buffers {
    fn new(ring: &IoUring) -> io::Result<Self> {
        #[repr(align(4096))]
        #[derive(Clone, Copy)]
        struct Page(#[allow(dead_code, reason = "the kernel writes to it")] [u8; 4096]);
        let bytes = usize::from(BUFFERS) * size_of::<BufRingEntry>();
        let entries = Box::leak(vec![Page([0; 4096]); bytes.div_ceil(4096)].into_boxed_slice());
        let entries = entries.as_mut_ptr().cast::<BufRingEntry>();
        // SAFETY: it is leaked, so it stays.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)?
        };
        let memory = Box::leak(vec![0; usize::from(BUFFERS) * BUFFER_SIZE].into_boxed_slice());
        let mut buffers = Self { entries, memory, tail: 0 };
        (0..BUFFERS).for_each(|index| buffers.give(index));
        Ok(buffers)
    }

    fn filled(&self, index: u16, length: usize) -> &'static [u8] {
        &self.memory[usize::from(index) * BUFFER_SIZE..][..length.min(BUFFER_SIZE)]
    }

    fn give(&mut self, index: u16) {
        let address = self.memory[usize::from(index) * BUFFER_SIZE..].as_ptr() as u64;
        // SAFETY: the place is inside of the ring, and the kernel does not look at it before the
        // tail has passed it; the tail is in the first entry.
        unsafe {
            let entry = &mut *self.entries.add(usize::from(self.tail & (BUFFERS - 1)));
            entry.set_addr(address);
            entry.set_len(BUFFER_SIZE as u32);
            entry.set_bid(index);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(self.entries).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}
