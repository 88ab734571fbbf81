//! The ring over a made-up kernel: nothing is freed or reused while that kernel holds it.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockAddr;

use super::fake::{Descriptors, Fake, FakeDescriptor, Random, pattern};
use super::{Copying, Event, Operation, Payload, Report, Ring, Segment, Sizes};
use crate::slots::Key;

const STEPS: usize = if cfg!(miri) { 150 } else { 5_000 };
const SEEDS: u64 = if cfg!(miri) { 6 } else { 60 };
const SIZES: Sizes = Sizes { buffers: 8, buffer: 64, first: 2 };

/// Does anything at any time, and checks what is reported.
struct Chaos {
    ring: Ring<Fake>,
    random: Random,
    descriptors: Arc<Descriptors>,
    sent: Arc<Mutex<BTreeMap<RawFd, Vec<u8>>>>,
    /// Under their tokens.
    running: BTreeMap<u64, Expected>,
    segments: VecDeque<Segment>,
    next_token: u64,
}

/// An operation that has not ended.
struct Expected {
    key: Key,
    descriptor: RawFd,
    /// Received so far.
    received: usize,
    /// Of a send: what it is to send.
    to_send: Vec<u8>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let descriptors = Arc::new(Descriptors::default());
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let kernel = Fake::new(seed + 77, 1 + random.below(4), &descriptors);
        let sent = Arc::clone(&kernel.sent);
        let ring = Ring::new(kernel, SIZES).unwrap();
        let (running, segments) = (BTreeMap::new(), VecDeque::new());
        Self { ring, random, descriptors, sent, running, segments, next_token: 1 }
    }

    fn step(&mut self) {
        match self.random.below(12) {
            0 => self.start(Operation::AcceptMany, Vec::new()),
            1 | 2 => self.start(Operation::ReceiveMany, Vec::new()),
            3 | 4 => self.start_send(),
            5 => {
                let address: std::net::SocketAddr = "127.0.0.1:80".parse().unwrap();
                self.start(
                    |of| Operation::Connect(of, Box::new(SockAddr::from(address))),
                    Vec::new(),
                );
            }
            6 => {
                let index = self.random.below(self.running.len() + 1);
                if let Some(expected) = self.running.values().nth(index) {
                    self.ring.cancel(expected.key);
                }
            }
            7 => {
                // Held for a while, and still what it was.
                if let Some(segment) = self.segments.pop_front() {
                    let follows = |pair: &[u8]| pair[1] == pattern(usize::from(pair[0]) + 1);
                    assert!(segment.windows(2).all(follows), "written to under its reader");
                }
            }
            8 => drop(self.ring.grow()),
            _ => self.turn(),
        }
    }

    fn start_send(&mut self) {
        let mut payload = Payload::default();
        let mut to_send = Vec::new();
        for _ in 0..self.random.below(4) {
            let piece = vec![self.random.below(256) as u8; 1 + self.random.below(90)];
            to_send.extend_from_slice(&piece);
            payload.pieces.get_or_insert_default().push_back(Bytes::from(piece));
        }
        let tail = vec![self.random.below(256) as u8; self.random.below(40)];
        to_send.extend_from_slice(&tail);
        payload.tail = BytesMut::from(&tail[..]);
        let copying = if self.random.one_in(2) { Copying::Yes } else { Copying::No };
        self.start(|of| Operation::Send(of, payload, copying), to_send);
    }

    /// On a descriptor that the operation alone keeps open.
    fn start(
        &mut self,
        operation: impl FnOnce(Arc<FakeDescriptor>) -> Operation<FakeDescriptor>,
        to_send: Vec<u8>,
    ) {
        let descriptor = self.descriptors.open();
        let number = descriptor.number;
        self.sent.lock().unwrap().remove(&number);
        let token = self.next_token;
        self.next_token += 1;
        let key = self.ring.start(operation(Arc::new(descriptor)), token);
        let received = 0;
        self.running.insert(token, Expected { key, descriptor: number, received, to_send });
    }

    fn turn(&mut self) {
        let waiting = self.random.one_in(2).then_some(Duration::ZERO);
        let mut reports = Vec::new();
        // An error of the kernel loses nothing.
        self.ring.turn(waiting, |report| reports.push(report));
        for report in reports {
            self.check(report);
        }
        assert_eq!(self.ring.tally().strays, 0);
        assert_eq!(self.ring.running(), self.running.len());
    }

    fn check(&mut self, report: Report<FakeDescriptor>) {
        let expected = self.running.get_mut(&report.token).expect("it has not ended");
        match report.event {
            Event::Received(Ok(Some(segment))) => {
                if expected.received == 0 {
                    // A number that is reused goes on where it was.
                    expected.received = (0..251).find(|at| pattern(*at) == segment[0]).unwrap();
                }
                for byte in segment.iter() {
                    assert_eq!(*byte, pattern(expected.received));
                    expected.received += 1;
                }
                expected.received = expected.received % 251 + 251;
                self.segments.push_back(segment);
            }
            Event::Sent(Ok(n), rest) => {
                assert_eq!(n + rest.len(), expected.to_send.len());
                let sent = self.sent.lock().unwrap();
                let seen = sent.get(&expected.descriptor).map_or(&[][..], Vec::as_slice);
                assert_eq!(seen, &expected.to_send[..n]);
            }
            _ => {}
        }
        if report.is_final {
            self.running.remove(&report.token);
        }
    }
}

#[test]
fn whatever_happens_each_operation_ends_once_and_keeps_what_it_lends() {
    for seed in 0..SEEDS {
        let mut chaos = Chaos::new(seed);
        (0..STEPS).for_each(|_| chaos.step());
        let Chaos { ring, segments, descriptors, .. } = chaos;
        // With operations under way, and readers that outlive the ring.
        drop(ring);
        assert!(segments.iter().all(|segment| !segment.is_empty()));
        drop(segments);
        assert_eq!(descriptors.count(), 0, "seed {seed}: a descriptor is left");
    }
}

#[test]
fn what_a_kernel_never_lets_go_of_is_leaked_and_not_freed() {
    let descriptors = Arc::new(Descriptors::default());
    let mut kernel = Fake::new(5, 8, &descriptors);
    kernel.is_stuck = true;
    let mut ring = Ring::new(kernel, SIZES).unwrap();
    let payload = Payload { pieces: None, tail: BytesMut::from(&[7; 50][..]) };
    ring.start(Operation::Send(Arc::new(descriptors.open()), payload, Copying::No), 1);
    // Cancelling is a request; this one is not heard.
    while ring.enter(None).is_err() || ring.has_work() {}
    assert!(ring.next_report().is_none());
    assert_eq!(ring.running(), 1);
    drop(ring);
    assert_eq!(descriptors.count(), 1, "closed under a kernel that holds it");
}

#[test]
fn a_key_of_an_operation_that_has_ended_cancels_nobody_else() {
    let mut chaos = Chaos::new(3);
    chaos.start(Operation::ReceiveMany, Vec::new());
    let old = chaos.running.values().next().unwrap().key;
    while !chaos.running.is_empty() {
        chaos.ring.cancel(old);
        chaos.turn();
        chaos.segments.clear();
    }
    chaos.start(Operation::ReceiveMany, Vec::new());
    let submissions = chaos.ring.tally().submissions;
    chaos.ring.cancel(old);
    assert!(chaos.ring.tally().submissions == submissions, "the old key found the new operation");
}

/// Runs an operation for `turns` turns, cancels it, and gives how many final reports came. Whoever
/// starts it has nothing else under way.
fn cancelled_after(turns: usize, seed: u64, kind: usize) -> usize {
    let mut chaos = Chaos::new(seed);
    match kind {
        0 => chaos.start(Operation::AcceptMany, Vec::new()),
        1 => chaos.start(Operation::ReceiveMany, Vec::new()),
        2 => {
            let address: std::net::SocketAddr = "127.0.0.1:80".parse().unwrap();
            let address = Box::new(SockAddr::from(address));
            chaos.start(|of| Operation::Connect(of, address), Vec::new());
        }
        _ => chaos.start_send(),
    }
    let key = chaos.running.values().next().unwrap().key;
    let mut finals = 0;
    for turn in 0..5_000 {
        if turn == turns {
            chaos.ring.cancel(key);
        }
        let before = chaos.running.len();
        chaos.turn();
        finals += before - chaos.running.len();
        if turn > turns && chaos.running.is_empty() && !chaos.ring.has_work() {
            break;
        }
    }
    chaos.segments.clear();
    // Its descriptor was its alone; those that it accepted were closed with their reports.
    assert_eq!(chaos.descriptors.count(), 0, "kind {kind}, {turns} turns, seed {seed}");
    finals
}

#[test]
fn cancelled_at_any_point_an_operation_ends_exactly_once() {
    const SEEDS: u64 = if cfg!(miri) { 1 } else { 30 };
    const TURNS: usize = if cfg!(miri) { 3 } else { 12 };
    for kind in 0..4 {
        for turns in 0..TURNS {
            for seed in 0..SEEDS {
                assert_eq!(cancelled_after(turns, seed, kind), 1, "{kind}, {turns}, {seed}");
            }
        }
    }
}
