//! Sockets and listeners over a made-up kernel: whatever comes in whatever order, each byte is given
//! once and in order, whoever waits is woken, and nothing is left open.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{Leftovers, Pace, Piece, Place, Reactor};
use crate::ring::fake::{Descriptors, Fake, FakeDescriptor, Random, pattern};
use crate::ring::{Payload, Ring, Sizes};
use crate::slots::Key;

const STEPS: usize = if cfg!(miri) { 100 } else { 5_000 };
const SEEDS: u64 = if cfg!(miri) { 2 } else { 60 };
/// Turns in which all that is under way ends.
const LAST_TURNS: usize = if cfg!(miri) { 40 } else { 2_000 };
const SIZES: Sizes = Sizes { buffers: 8, buffer: 64, first: 2 };

/// One who waits.
#[derive(Default)]
struct Sleeper {
    is_woken: AtomicBool,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
    }
}

struct Socket {
    key: Key,
    number: RawFd,
    /// Where what it receives goes on; a number that is reused goes on where it was.
    at: Option<usize>,
    reader: Arc<Sleeper>,
    reads: Waiting,
    /// All that was sent so far, and what is being sent.
    sent: Vec<u8>,
    sending: Option<Vec<u8>>,
    writer: Arc<Sleeper>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Yes,
    No,
}

struct World {
    reactor: Reactor<Fake>,
    random: Random,
    descriptors: Arc<Descriptors>,
    sent: Arc<Mutex<BTreeMap<RawFd, Vec<u8>>>>,
    sockets: Vec<Socket>,
    listener: Option<(Key, Arc<Sleeper>, Waiting)>,
    pieces: VecDeque<Piece>,
    /// Goes on by a random while each turn.
    now: Instant,
}

fn receive(
    reactor: &mut Reactor<Fake>,
    key: Key,
    cx: &Context<'_>,
) -> Poll<std::io::Result<Option<Piece>>> {
    match reactor.socket(key) {
        Some((socket, engine)) => socket.poll_receive(key, Place::default(), cx, engine),
        None => Poll::Ready(Err(std::io::ErrorKind::NotConnected.into())),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let descriptors = Arc::new(Descriptors::default());
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let kernel = Fake::new(seed + 177, 1 + random.below(5), &descriptors);
        let sent = Arc::clone(&kernel.sent);
        let zero_copy_from = random.one_in(2).then_some(50);
        let reactor = Reactor::new(Ring::new(kernel, SIZES).unwrap(), zero_copy_from);
        let (sockets, pieces) = (Vec::new(), VecDeque::new());
        let now = Instant::now();
        Self { reactor, random, descriptors, sent, sockets, listener: None, pieces, now }
    }

    fn step(&mut self) {
        let index = self.random.below(self.sockets.len().max(1));
        match self.random.below(20) {
            0 if self.sockets.len() < 6 => {
                let descriptor = self.descriptors.open();
                self.add(descriptor);
            }
            1..=5 if !self.sockets.is_empty() => self.receive(index),
            6 | 7 if !self.sockets.is_empty() => self.send(index),
            8..=10 if !self.sockets.is_empty() => self.look_at_sending(index),
            11 if !self.sockets.is_empty() && self.random.one_in(4) => {
                // What was not taken is not sent: what was is a prefix, which the end shows.
                let socket = &self.sockets[index];
                if let Some((socket, engine)) = self.reactor.socket(socket.key) {
                    socket.give_up_sending(engine);
                }
                self.close(index);
            }
            12 if !self.sockets.is_empty() && self.random.one_in(4) => self.close(index),
            13 => self.accept(),
            14 => drop(self.pieces.pop_front()),
            15 if !self.sockets.is_empty() => {
                let socket = &mut self.sockets[index];
                if let Some((socket, engine)) = self.reactor.socket(socket.key) {
                    socket.forget_reader(engine);
                }
                socket.reads = Waiting::No;
            }
            _ => {
                let pace = match self.random.below(3) {
                    0 => Pace::Brisk,
                    1 => Pace::Thorough,
                    _ => Pace::Waiting(Duration::ZERO),
                };
                self.turn(pace);
            }
        }
    }

    fn add(&mut self, descriptor: FakeDescriptor) {
        let number = descriptor.number;
        self.sent.lock().unwrap().remove(&number);
        let key = self.reactor.add_socket(descriptor);
        let (reader, writer) = (Arc::default(), Arc::default());
        let (at, sent, sending, reads) = (None, Vec::new(), None, Waiting::No);
        self.sockets.push(Socket { key, number, at, reader, reads, sent, sending, writer });
    }

    fn turn(&mut self, pace: Pace) {
        self.now += Duration::from_micros(self.random.below(2_000) as u64);
        self.reactor.turn(pace, self.now);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(Leftovers { to_wake, to_drop }) = self.reactor.leftovers() {
            to_wake.into_iter().for_each(Waker::wake);
            drop(to_drop);
        }
    }

    fn receive(&mut self, index: usize) {
        let socket = &mut self.sockets[index];
        let waker = Waker::from(Arc::clone(&socket.reader));
        let polled = receive(&mut self.reactor, socket.key, &Context::from_waker(&waker));
        let was_woken = socket.reader.is_woken.swap(false, Ordering::Relaxed);
        if polled.is_ready() {
            assert!(socket.reads == Waiting::No || was_woken, "nobody told the reader");
            socket.reads = Waiting::No;
        }
        match polled {
            Poll::Pending => socket.reads = Waiting::Yes,
            Poll::Ready(Ok(Some(piece))) => {
                let first = || (0..251).find(|at| pattern(*at) == piece[0]).unwrap();
                let at = *socket.at.get_or_insert_with(first);
                for (byte, at) in piece.iter().zip(at..) {
                    assert_eq!(*byte, pattern(at), "a byte that is another one's");
                }
                socket.at = Some(at + piece.len());
                if self.pieces.len() < 5 && self.random.one_in(3) {
                    self.pieces.push_back(piece);
                }
            }
            Poll::Ready(Ok(None) | Err(_)) => {
                // The end, each time.
                let again = receive(&mut self.reactor, socket.key, &Context::from_waker(&waker));
                assert!(matches!(again, Poll::Ready(Ok(None) | Err(_))), "it has ended");
                self.close(index);
            }
        }
        self.wake();
    }

    fn send(&mut self, index: usize) {
        let socket = &mut self.sockets[index];
        if socket.sending.is_some() {
            return;
        }
        let mut payload = Payload::default();
        let mut bytes = Vec::new();
        for _ in 0..self.random.below(4) {
            let piece = vec![self.random.below(256) as u8; 1 + self.random.below(90)];
            bytes.extend_from_slice(&piece);
            payload.pieces.get_or_insert_default().push_back(Bytes::from(piece));
        }
        let tail = vec![self.random.below(256) as u8; 1 + self.random.below(40)];
        bytes.extend_from_slice(&tail);
        payload.tail = BytesMut::from(&tail[..]);
        if let Some((on_ring, engine)) = self.reactor.socket(socket.key) {
            on_ring.send(socket.key, payload, engine);
        }
        socket.sending = Some(bytes);
        socket.writer.is_woken.store(true, Ordering::Relaxed);
        self.look_at_sending(index);
    }

    fn look_at_sending(&mut self, index: usize) {
        let socket = &mut self.sockets[index];
        let Some(sending) = socket.sending.take() else { return };
        let waker = Waker::from(Arc::clone(&socket.writer));
        let (on_ring, engine) = self.reactor.socket(socket.key).expect("it is not closed");
        match on_ring.poll_sent(socket.key, &Context::from_waker(&waker), engine) {
            Poll::Pending => {
                socket.sending = Some(sending);
                socket.writer.is_woken.store(false, Ordering::Relaxed);
            }
            Poll::Ready(Ok(_)) => {
                socket.sent.extend_from_slice(&sending);
                let sent = self.sent.lock().unwrap();
                let seen = sent.get(&socket.number).map_or(&[][..], Vec::as_slice);
                assert!(seen == socket.sent, "each byte once, in order, and none is left");
            }
            Poll::Ready(Err(_)) => {
                socket.sent.extend_from_slice(&sending);
                self.close(index);
            }
        }
    }

    fn accept(&mut self) {
        let Some((key, sleeper, waits)) = &mut self.listener else {
            let listener = self.reactor.add_listener(self.descriptors.open());
            self.listener = Some((listener, Arc::default(), Waiting::No));
            return;
        };
        let waker = Waker::from(Arc::clone(sleeper));
        let polled = self.reactor.poll_accept(*key, &Context::from_waker(&waker));
        let was_woken = sleeper.is_woken.swap(false, Ordering::Relaxed);
        if polled.is_ready() {
            assert!(*waits == Waiting::No || was_woken, "nobody told the acceptor");
        }
        *waits = if polled.is_pending() { Waiting::Yes } else { Waiting::No };
        let key = *key;
        match polled {
            Poll::Ready(Ok(descriptor)) if self.sockets.len() < 6 => self.add(descriptor),
            Poll::Ready(Err(error)) if error.kind() == std::io::ErrorKind::NotConnected => {
                self.reactor.close(key);
                self.listener = None;
            }
            _ => {}
        }
        if self.random.one_in(40) {
            // What is accepted already is still given.
            self.reactor.stop_accepting(key);
        } else if self.random.one_in(40) {
            self.reactor.close(key);
            self.listener = None;
        }
        self.wake();
    }

    /// Closes it, and looks at what it has sent: all or the beginning of what it was to.
    fn close(&mut self, index: usize) {
        let mut socket = self.sockets.swap_remove(index);
        self.reactor.close(socket.key);
        socket.sent.extend(socket.sending.iter().flatten());
        let sent = self.sent.lock().unwrap();
        let seen = sent.get(&socket.number).map_or(&[][..], Vec::as_slice);
        assert!(socket.sent.starts_with(seen), "what was sent is what was to be sent");
    }
}

#[test]
fn each_byte_is_given_once_in_order_and_whoever_waits_is_woken() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        (0..STEPS).for_each(|_| world.step());
        // Those who still wait for their bytes to be sent are told by and by.
        for _ in 0..LAST_TURNS {
            world.turn(Pace::Thorough);
        }
        for index in (0..world.sockets.len()).rev() {
            let socket = &world.sockets[index];
            let is_woken = socket.writer.is_woken.load(Ordering::Relaxed);
            let is_over = socket.sending.is_none() || is_woken;
            assert!(is_over || cfg!(miri), "seed {seed}: nobody told the writer");
            world.look_at_sending(index);
        }
    }
}

#[test]
fn the_end_of_a_ring_wakes_everybody_and_closes_everything() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed + 1_000);
        (0..STEPS / 10).for_each(|_| world.step());
        world.reactor.end();
        world.wake();
        for socket in &world.sockets {
            let woken = |sleeper: &Sleeper| sleeper.is_woken.load(Ordering::Relaxed);
            assert!(socket.reads == Waiting::No || woken(&socket.reader), "seed {seed}: a reader");
            assert!(socket.sending.is_none() || woken(&socket.writer), "seed {seed}: a writer");
            let context = &Context::from_waker(Waker::noop());
            let ended = receive(&mut world.reactor, socket.key, context);
            assert!(matches!(ended, Poll::Ready(Err(_))), "seed {seed}: it goes on");
        }
        let World { reactor, pieces, descriptors, .. } = world;
        drop(reactor);
        // Pieces outlive their ring.
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert_eq!(descriptors.count(), 0, "seed {seed}: a descriptor is left");
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn a_socket_in_the_table_is_two_lines_of_the_cache() {
    type Place = Option<super::Source<FakeDescriptor>>;
    assert_eq!((size_of::<Place>(), align_of::<Place>()), (64 * super::socket::LINES, 64));
}
