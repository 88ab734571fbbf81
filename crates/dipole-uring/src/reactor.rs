//! What waits for the ring: sockets and listeners, their operations, and who is to be woken.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;

use crate::ring::{Announcing, Copying, Event, Kernel, Operation, Payload, Report, Ring, Segment};
use crate::slots::{Key, Slots};

/// Unread bytes of one socket at which the kernel is told to receive no more for it.
const MOST_UNREAD: usize = 64 * 1024;
/// Accepted connections that nobody has taken, at which the kernel is told to accept no more.
const MOST_ACCEPTED: usize = 256;

/// The sockets of a ring.
pub(crate) struct Reactor<K: Kernel> {
    ring: Ring<K>,
    sources: Slots<Source<K::Descriptor>>,
    reports: Vec<Report<K::Descriptor>>,
    /// Sockets whose receive ended for want of a buffer, to be begun again after this turn.
    starved: Vec<Key>,
    /// Woken, or dropped, once the lock is not held.
    leftovers: Leftovers,
    after_turn: Vec<Waker>,
    /// Whose bytes were sent in the last turn. A turn later they may have been woken by what came, too,
    /// and one poll does for both.
    late: Vec<Waker>,
    pub(crate) thread: Thread,
    zero_copy_from: Option<usize>,
    tally: Tally,
}

/// What the ring's thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// It will turn the ring before it waits.
    Awake,
    /// It waits or does other things, and has to be told of what is new.
    Parked,
    /// It is gone, and the ring with it.
    Ended,
}

/// What is not to be woken or dropped under the lock: either may run anybody's code.
#[derive(Default)]
pub(crate) struct Leftovers {
    pub(crate) to_wake: Vec<Waker>,
    pub(crate) to_drop: Vec<Waste>,
}

impl Leftovers {
    fn is_empty(&self) -> bool {
        self.to_wake.is_empty() && self.to_drop.is_empty()
    }
}

/// How a turn is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Those whose bytes were sent are not woken for that alone: another turn is soon to follow.
    Brisk,
    /// Whoever is to be woken is.
    Thorough,
    /// As that, and waits for something to come, no longer than this.
    Waiting(Duration),
}

/// What a turn of the ring has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    /// Nothing, and nobody was woken.
    Nothing,
    /// Nothing; those who waited to be woken were.
    Wakes,
    /// Something: another turn soon is worth it.
    Something,
}

/// Dropped once the lock is not held.
pub(crate) enum Waste {
    Waker(#[allow(dead_code, reason = "held to be dropped")] Waker),
    Payload(#[allow(dead_code, reason = "held to be dropped")] Payload),
}

/// What the sockets have done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) turns: u64,
    pub(crate) out_of_buffers: u64,
    pub(crate) copied_out: u64,
    pub(crate) zero_copies_copied: u64,
}

enum Source<D> {
    Socket(Socket<D>),
    Listener(Box<Listening<D>>),
}

/// Received bytes.
pub(crate) enum Piece {
    /// In a buffer of the ring's.
    InPlace(Segment),
    /// In memory of their own, because the ring's buffers were scarce.
    Copied(BytesMut),
}

impl std::ops::Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::InPlace(segment) => segment,
            Self::Copied(bytes) => bytes,
        }
    }
}

struct Socket<D> {
    descriptor: Arc<D>,
    receiving: Receiving,
    /// Unread, in order.
    first: Option<Piece>,
    rest: VecDeque<Piece>,
    /// Bytes of both.
    unread: usize,
    reader: Option<Waker>,
    sending: Sending,
    writer: Option<Waker>,
    /// Cleared when the kernel copies all the same, as it does on loopback.
    zero_copy: bool,
}

/// Whether the kernel receives for a socket.
enum Receiving {
    Idle,
    Running(Key),
    /// Cancelled, with the end still to come.
    Stopping,
    /// The peer's end.
    Ended,
    Failed(i32),
}

enum Sending {
    Idle,
    Running(Key),
    /// With memory that can be used again.
    Done(io::Result<()>, BytesMut),
}

struct Listening<D> {
    descriptor: Arc<D>,
    accepting: Accepting,
    accepted: VecDeque<io::Result<D>>,
    acceptor: Option<Waker>,
    /// It shall take no more.
    is_over: bool,
}

enum Accepting {
    Idle,
    Running(Key),
    Stopping,
}

impl<K: Kernel> Reactor<K> {
    pub(crate) fn new(ring: Ring<K>, zero_copy_from: Option<usize>) -> Self {
        Self {
            ring,
            sources: Slots::default(),
            reports: Vec::new(),
            starved: Vec::new(),
            leftovers: Leftovers::default(),
            after_turn: Vec::new(),
            late: Vec::new(),
            thread: Thread::Awake,
            zero_copy_from,
            tally: Tally::default(),
        }
    }

    pub(crate) fn ring(&mut self) -> &mut Ring<K> {
        &mut self.ring
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// What is to be woken and dropped now, if there is anything.
    pub(crate) fn leftovers(&mut self) -> Option<Leftovers> {
        (!self.leftovers.is_empty()).then(|| std::mem::take(&mut self.leftovers))
    }

    /// Takes the memory of leftovers that were dealt with.
    pub(crate) fn reuse(&mut self, leftovers: Leftovers) {
        if self.leftovers.is_empty() {
            self.leftovers = leftovers;
        }
    }

    /// Gives the kernel what is new and takes what it has done.
    pub(crate) fn turn(&mut self, pace: Pace) -> Brought {
        let waiting = match pace {
            Pace::Waiting(at_most) if self.after_turn.is_empty() => Some(at_most),
            _ => None,
        };
        let mut reports = std::mem::take(&mut self.reports);
        // What the kernel does not take now stays queued for the next turn.
        let _ = self.ring.turn(&mut reports, waiting);
        self.tally.turns += 1;
        let came = !reports.is_empty();
        if !came && self.after_turn.is_empty() && (pace == Pace::Brisk || self.late.is_empty()) {
            self.reports = reports;
            return Brought::Nothing;
        }
        let mut due = std::mem::take(&mut self.late);
        for report in reports.drain(..) {
            self.settle(report);
        }
        self.reports = reports;
        if !self.starved.is_empty() {
            for key in std::mem::take(&mut self.starved) {
                self.receive_more(key);
            }
        }
        // After those to whom something has come: the same tasks are woken once.
        self.leftovers.to_wake.append(&mut due);
        self.leftovers.to_wake.append(&mut self.after_turn);
        if self.late.is_empty() {
            self.late = due;
        }
        if came { Brought::Something } else { Brought::Wakes }
    }

    /// Says that the thread is about to wait; false when it should look once more.
    pub(crate) fn park(&mut self) -> bool {
        self.thread = Thread::Parked;
        self.ring.announce(Announcing::On);
        !self.has_work()
    }

    /// Says that the thread goes on with other things, and is to be told of what is new; false when it
    /// should look once more.
    pub(crate) fn rest(&mut self) -> bool {
        self.thread = Thread::Parked;
        self.ring.announce(Announcing::On);
        self.after_turn.is_empty() && !self.ring.has_work()
    }

    /// Says that the thread will turn the ring before it waits or rests.
    pub(crate) fn unpark(&mut self) {
        if self.thread == Thread::Parked {
            self.thread = Thread::Awake;
            self.ring.announce(Announcing::Off);
        }
    }

    /// Ends everything: whoever waits is woken, and finds the ring ended. On the ring's thread.
    pub(crate) fn end(&mut self) {
        self.thread = Thread::Ended;
        for key in self.sources.keys().collect::<Vec<_>>() {
            self.close(key);
        }
        self.ring.drain();
        self.leftovers.to_wake.append(&mut self.late);
        self.leftovers.to_wake.append(&mut self.after_turn);
    }

    /// Ready after one more turn of the ring: what the kernel had by now is known then.
    pub(crate) fn wake_after_turn(&mut self, waker: &Waker) {
        self.after_turn.push(waker.clone());
    }

    /// True when the ring's thread has something to do.
    pub(crate) fn has_work(&mut self) -> bool {
        !self.after_turn.is_empty() || !self.late.is_empty() || self.ring.has_work()
    }

    // Sockets.

    pub(crate) fn add_socket(&mut self, descriptor: K::Descriptor) -> Key {
        self.sources.insert(Source::Socket(Socket {
            descriptor: Arc::new(descriptor),
            receiving: Receiving::Idle,
            first: None,
            rest: VecDeque::new(),
            unread: 0,
            reader: None,
            sending: Sending::Idle,
            writer: None,
            zero_copy: true,
        }))
    }

    /// Tells when the kernel has let go of a listener's socket; of anything else it has already.
    pub(crate) fn listening_socket(&mut self, key: Key) -> Weak<K::Descriptor> {
        match self.sources.get_mut(key) {
            Some(Source::Listener(listener)) => Arc::downgrade(&listener.descriptor),
            _ => Weak::new(),
        }
    }

    pub(crate) fn descriptor(&mut self, key: Key) -> Option<&K::Descriptor> {
        match self.sources.get_mut(key)? {
            Source::Socket(socket) => Some(&socket.descriptor),
            Source::Listener(listener) => Some(&listener.descriptor),
        }
    }

    /// The next received bytes; `None` at the peer's end, each time.
    pub(crate) fn poll_receive(
        &mut self,
        key: Key,
        cx: &Context<'_>,
    ) -> Poll<io::Result<Option<Piece>>> {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if let Some(piece) = socket.next_piece() {
            return Poll::Ready(Ok(Some(piece)));
        }
        match socket.receiving {
            Receiving::Ended => return Poll::Ready(Ok(None)),
            Receiving::Failed(number) => {
                return Poll::Ready(Err(io::Error::from_raw_os_error(number)));
            }
            Receiving::Idle | Receiving::Running(_) | Receiving::Stopping => {}
        }
        remember(&mut socket.reader, cx.waker(), &mut self.leftovers);
        self.receive_more(key);
        Poll::Pending
    }

    /// Nobody waits for bytes any more.
    pub(crate) fn forget_reader(&mut self, key: Key) {
        if let Some(Source::Socket(socket)) = self.sources.get_mut(key) {
            let forgotten = socket.reader.take().map(Waste::Waker);
            self.leftovers.to_drop.extend(forgotten);
        }
    }

    /// Begins to send; nothing else is being sent on this socket.
    pub(crate) fn send(&mut self, key: Key, payload: Payload) {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else { return };
        let is_large = self.zero_copy_from.is_some_and(|from| payload.len() >= from);
        let copying = if is_large && socket.zero_copy { Copying::No } else { Copying::Yes };
        let operation = Operation::Send(Arc::clone(&socket.descriptor), payload, copying);
        socket.sending = Sending::Running(self.ring.start(operation, key.bits()));
    }

    /// Begins to connect.
    pub(crate) fn connect(&mut self, key: Key, address: socket2::SockAddr) {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else { return };
        let operation = Operation::Connect(Arc::clone(&socket.descriptor), Box::new(address));
        socket.sending = Sending::Running(self.ring.start(operation, key.bits()));
    }

    /// Ready when all that was to be sent was, or the socket is connected; with memory to use again.
    pub(crate) fn poll_sent(&mut self, key: Key, cx: &Context<'_>) -> Poll<io::Result<BytesMut>> {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match std::mem::replace(&mut socket.sending, Sending::Idle) {
            Sending::Idle => Poll::Ready(Ok(BytesMut::new())),
            Sending::Done(result, memory) => Poll::Ready(result.map(|()| memory)),
            Sending::Running(operation) => {
                socket.sending = Sending::Running(operation);
                remember(&mut socket.writer, cx.waker(), &mut self.leftovers);
                Poll::Pending
            }
        }
    }

    /// Ends a send that nobody waits for any more.
    pub(crate) fn give_up_sending(&mut self, key: Key) {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else { return };
        if let Sending::Running(operation) = socket.sending {
            socket.sending = Sending::Idle;
            self.ring.cancel(operation);
        }
    }

    // Listeners.

    pub(crate) fn add_listener(&mut self, descriptor: K::Descriptor) -> Key {
        self.sources.insert(Source::Listener(Box::new(Listening {
            descriptor: Arc::new(descriptor),
            accepting: Accepting::Idle,
            accepted: VecDeque::new(),
            acceptor: None,
            is_over: false,
        })))
    }

    /// The next connection; `NotConnected` when there will be none any more.
    pub(crate) fn poll_accept(
        &mut self,
        key: Key,
        cx: &Context<'_>,
    ) -> Poll<io::Result<K::Descriptor>> {
        let Some(Source::Listener(listener)) = self.sources.get_mut(key) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if let Some(accepted) = listener.accepted.pop_front() {
            return Poll::Ready(accepted);
        }
        if let (Accepting::Idle, true) = (&listener.accepting, listener.is_over) {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        remember(&mut listener.acceptor, cx.waker(), &mut self.leftovers);
        if let Accepting::Idle = listener.accepting {
            let operation = Operation::AcceptMany(Arc::clone(&listener.descriptor));
            listener.accepting = Accepting::Running(self.ring.start(operation, key.bits()));
        }
        Poll::Pending
    }

    /// Accepts no more: what was accepted is still given.
    pub(crate) fn stop_accepting(&mut self, key: Key) {
        let Some(Source::Listener(listener)) = self.sources.get_mut(key) else { return };
        listener.is_over = true;
        if let Accepting::Running(operation) = listener.accepting {
            listener.accepting = Accepting::Stopping;
            self.ring.cancel(operation);
        }
    }

    /// Forgets a socket or listener; its descriptor is closed as soon as the kernel has let go of it.
    pub(crate) fn close(&mut self, key: Key) {
        let operations = match self.sources.remove(key) {
            None => return,
            Some(Source::Listener(listener)) => {
                self.leftovers.to_wake.extend(listener.acceptor);
                match listener.accepting {
                    Accepting::Running(operation) => [Some(operation), None],
                    Accepting::Idle | Accepting::Stopping => [None, None],
                }
            }
            Some(Source::Socket(socket)) => {
                self.leftovers.to_wake.extend([socket.reader, socket.writer].into_iter().flatten());
                let receiving = match socket.receiving {
                    Receiving::Running(operation) => Some(operation),
                    _ => None,
                };
                match socket.sending {
                    Sending::Running(operation) => [receiving, Some(operation)],
                    Sending::Idle | Sending::Done(..) => [receiving, None],
                }
            }
        };
        for operation in operations.into_iter().flatten() {
            self.ring.cancel(operation);
        }
    }

    // What the ring reports.

    fn settle(&mut self, report: Report<K::Descriptor>) {
        let key = Key::from_bits(report.token);
        match self.sources.get_mut(key) {
            Some(Source::Socket(_)) => self.settle_socket(key, report),
            Some(Source::Listener(_)) => self.settle_listener(key, report),
            // Closed meanwhile: what the event carries goes back, or is closed.
            None => match report.event {
                Event::Sent(_, payload) | Event::Freed { payload, .. } => {
                    self.leftovers.to_drop.push(Waste::Payload(payload));
                }
                _ => {}
            },
        }
    }

    fn settle_socket(&mut self, key: Key, report: Report<K::Descriptor>) {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else { return };
        match report.event {
            Event::Received(received) => {
                if report.is_final {
                    socket.receiving = Receiving::Idle;
                }
                match received {
                    Ok(Some(segment)) => {
                        let copied = socket.take_in(segment, self.ring.buffers_are_scarce());
                        self.tally.copied_out += copied as u64;
                    }
                    Ok(None) => socket.receiving = Receiving::Ended,
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                        self.tally.out_of_buffers += 1;
                        self.ring.grow();
                    }
                    Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => {}
                    Err(error) => {
                        let number = error.raw_os_error().unwrap_or(libc::EIO);
                        socket.receiving = Receiving::Failed(number);
                    }
                }
                let is_idle = matches!(socket.receiving, Receiving::Idle);
                if is_idle && socket.unread < MOST_UNREAD {
                    self.starved.push(key);
                }
                if !is_idle || socket.first.is_some() {
                    self.leftovers.to_wake.extend(socket.reader.take());
                }
                if let (Receiving::Running(operation), true) =
                    (&socket.receiving, socket.unread >= MOST_UNREAD)
                {
                    let operation = *operation;
                    socket.receiving = Receiving::Stopping;
                    self.ring.cancel(operation);
                }
            }
            Event::Sent(result, rest) => self.settle_sent(key, result, rest),
            Event::Freed { copied, payload } => {
                self.tally.zero_copies_copied += u64::from(copied);
                socket.zero_copy &= !copied;
                self.leftovers.to_drop.push(Waste::Payload(payload));
            }
            Event::Connected(result) => {
                socket.sending = Sending::Done(result, BytesMut::new());
                self.leftovers.to_wake.extend(socket.writer.take());
            }
            Event::Accepted(_) => {}
        }
    }

    fn settle_sent(&mut self, key: Key, result: io::Result<usize>, rest: Payload) {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else { return };
        if !matches!(socket.sending, Sending::Running(_)) {
            // Given up: what was not taken shall not be sent (B38).
            return self.leftovers.to_drop.push(Waste::Payload(rest));
        }
        let result = match result {
            Ok(n) if rest.len() > 0 && n > 0 => return self.send(key, rest),
            Ok(_) if rest.len() > 0 => Err(io::ErrorKind::WriteZero.into()),
            other => other.map(drop),
        };
        let wakes = if result.is_ok() { &mut self.late } else { &mut self.leftovers.to_wake };
        wakes.extend(socket.writer.take());
        let Payload { pieces, tail } = rest;
        socket.sending = Sending::Done(result, tail);
        if !pieces.is_empty() {
            let tail = BytesMut::new();
            self.leftovers.to_drop.push(Waste::Payload(Payload { pieces, tail }));
        }
    }

    fn settle_listener(&mut self, key: Key, report: Report<K::Descriptor>) {
        let Some(Source::Listener(listener)) = self.sources.get_mut(key) else { return };
        let Event::Accepted(accepted) = report.event else { return };
        if report.is_final {
            listener.accepting = Accepting::Idle;
        }
        let is_cancelled =
            accepted.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ECANCELED));
        if !is_cancelled {
            listener.accepted.push_back(accepted);
        }
        if let (Accepting::Running(operation), true) =
            (&listener.accepting, listener.accepted.len() >= MOST_ACCEPTED)
        {
            let operation = *operation;
            listener.accepting = Accepting::Stopping;
            self.ring.cancel(operation);
        }
        self.leftovers.to_wake.extend(listener.acceptor.take());
    }

    /// Lets the kernel receive, unless it does, or there is enough that nobody reads.
    fn receive_more(&mut self, key: Key) {
        let Some(Source::Socket(socket)) = self.sources.get_mut(key) else { return };
        if let (Receiving::Idle, true) = (&socket.receiving, socket.unread < MOST_UNREAD) {
            let operation = Operation::ReceiveMany(Arc::clone(&socket.descriptor));
            socket.receiving = Receiving::Running(self.ring.start(operation, key.bits()));
        }
    }
}

impl<D> Socket<D> {
    /// Queues what came; gives how many bytes were copied.
    fn take_in(&mut self, segment: Segment, is_scarce: bool) -> usize {
        let length = segment.len();
        self.unread += length;
        if !is_scarce {
            self.push(Piece::InPlace(segment));
            return 0;
        }
        let last = match self.rest.back_mut() {
            None => self.first.as_mut(),
            last => last,
        };
        match last {
            Some(Piece::Copied(bytes)) => bytes.extend_from_slice(&segment),
            _ => self.push(Piece::Copied(BytesMut::from(&segment[..]))),
        }
        length
    }

    fn push(&mut self, piece: Piece) {
        match self.first {
            None => self.first = Some(piece),
            Some(_) => self.rest.push_back(piece),
        }
    }

    fn next_piece(&mut self) -> Option<Piece> {
        let piece = self.first.take()?;
        self.first = self.rest.pop_front();
        if self.first.is_none() && self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
        self.unread -= piece.len();
        Some(piece)
    }
}

/// Remembers who waits, in place of whoever did before.
fn remember(place: &mut Option<Waker>, waker: &Waker, leftovers: &mut Leftovers) {
    if place.as_ref().is_some_and(|known| known.will_wake(waker)) {
        return;
    }
    leftovers.to_drop.extend(place.replace(waker.clone()).map(Waste::Waker));
}
