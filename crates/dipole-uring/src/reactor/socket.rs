//! A socket on the ring: what it receives and sends.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

use super::waking::{Waste, remember};
use super::{Engine, Piece};
use crate::ring::{Copying, Event, Kernel, Operation, Payload, Report, Segment, prefetch};
use crate::slots::Key;

/// Unread bytes of one socket at which the kernel is told to receive no more for it.
const MOST_UNREAD: usize = 64 * 1024;
/// How many lines of the cache a socket has.
pub(super) const LINES: usize = 2;
/// How many of an owner, and of its task, are brought into the cache before it is woken.
pub(crate) const OWNER_LINES: usize = 5;
const TASK_LINES: usize = 3;
/// Whoever has sent more than this is told so at once: more is likely to follow.
const MOST_WITHHELD: usize = 16 * 1024;
/// The most buffers that were sent from which wait for whoever sends next.
const MOST_SPARE: usize = 128;

/// A socket as the ring knows it. It is two lines of the cache, and not a part of a third: with a thousand
/// connections each line of a request's way comes from far.
#[repr(align(64))]
pub(crate) struct Socket<D> {
    pub(super) descriptor: Arc<D>,
    receiving: Receiving,
    /// Unread, in order; the rest is seldom there.
    first: Option<Piece>,
    #[expect(clippy::box_collection, reason = "seldom there, and a third of the room")]
    rest: Option<Box<VecDeque<Piece>>>,
    /// Bytes of both.
    unread: u32,
    reader: Option<Waker>,
    sending: Sending,
    writer: Option<Waker>,
    habit: Habit,
    zero_copy: ZeroCopy,
    owner: Place,
}

/// Where the owner of a socket has what it needs when something comes: an address, whose memory is brought into
/// the cache and not looked at. It may be out of date.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    address: usize,
}

impl Place {
    pub(crate) fn of<T>(value: &T) -> Self {
        Self { address: std::ptr::from_ref(value).addr() }
    }
}

/// Whether the kernel is asked not to copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ZeroCopy {
    Untried,
    /// It was asked once, and has not said whether it copied: it takes its time, and as long as more
    /// is sent it may say it of all that was sent together.
    Asked,
    /// It did not copy.
    Granted,
    /// It has copied all the same, as it does on loopback.
    Refused,
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
    Done(io::Result<()>),
}

/// What a socket's owner has done when it was told that its bytes were sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// It has sent more, or is new.
    SendsOn,
    /// It was told just now; what it does next decides.
    Undecided,
    /// It has waited for an answer.
    Asks,
}

impl<D> Socket<D> {
    pub(super) fn new(descriptor: D) -> Self {
        Self {
            descriptor: Arc::new(descriptor),
            receiving: Receiving::Idle,
            first: None,
            rest: None,
            unread: 0,
            reader: None,
            sending: Sending::Idle,
            writer: None,
            habit: Habit::SendsOn,
            zero_copy: ZeroCopy::Untried,
            owner: Place::default(),
        }
    }

    /// The next received bytes; `None` at the peer's end, each time. `owner` is wanted in the cache when some
    /// come.
    #[inline]
    pub(crate) fn poll_receive<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        owner: Place,
        cx: &Context<'_>,
        engine: &mut Engine<K>,
    ) -> Poll<io::Result<Option<Piece>>> {
        if self.habit == Habit::Undecided {
            self.habit = Habit::Asks;
        }
        if let Some(piece) = self.next_piece() {
            return Poll::Ready(Ok(Some(piece)));
        }
        match self.receiving {
            Receiving::Ended => return Poll::Ready(Ok(None)),
            Receiving::Failed(number) => {
                return Poll::Ready(Err(io::Error::from_raw_os_error(number)));
            }
            Receiving::Idle | Receiving::Running(_) | Receiving::Stopping => {}
        }
        remember(&mut self.reader, cx.waker(), &mut engine.leftovers);
        self.owner = owner;
        self.receive_more(key, engine);
        Poll::Pending
    }

    /// What has come by now, if anything has.
    #[inline]
    pub(crate) fn take_received(&mut self) -> Option<Piece> {
        let piece = self.next_piece()?;
        if self.habit == Habit::Undecided {
            self.habit = Habit::Asks;
        }
        Some(piece)
    }

    /// Nobody waits for bytes any more.
    pub(crate) fn forget_reader<K: Kernel>(&mut self, engine: &mut Engine<K>) {
        engine.leftovers.to_drop.extend(self.reader.take().map(Waste::Waker));
    }

    /// Begins to send; nothing else is being sent on this socket.
    #[inline]
    pub(crate) fn send<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        payload: Payload,
        engine: &mut Engine<K>,
    ) {
        if self.habit == Habit::Undecided {
            self.habit = Habit::SendsOn;
        }
        let is_large = engine.zero_copy_from.is_some_and(|from| payload.len() >= from);
        let copying = match self.zero_copy {
            ZeroCopy::Untried if is_large => {
                self.zero_copy = ZeroCopy::Asked;
                Copying::No
            }
            ZeroCopy::Granted if is_large => Copying::No,
            _ => Copying::Yes,
        };
        let operation = Operation::Send(Arc::clone(&self.descriptor), payload, copying);
        self.sending = Sending::Running(engine.ring.start(operation, key.bits()));
    }

    /// Begins to connect.
    pub(crate) fn connect<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        address: socket2::SockAddr,
        engine: &mut Engine<K>,
    ) {
        let operation = Operation::Connect(Arc::clone(&self.descriptor), Box::new(address));
        self.sending = Sending::Running(engine.ring.start(operation, key.bits()));
    }

    /// Ready when all that was to be sent was, or the socket is connected.
    #[inline]
    pub(crate) fn poll_sent<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        cx: &Context<'_>,
        engine: &mut Engine<K>,
    ) -> Poll<io::Result<()>> {
        if let Sending::Running(_) = self.sending {
            remember(&mut self.writer, cx.waker(), &mut engine.leftovers);
            return Poll::Pending;
        }
        // Whoever was withheld has come by itself, and is not to be woken.
        engine.leftovers.to_drop.extend(self.writer.take().map(Waste::Waker));
        match std::mem::replace(&mut self.sending, Sending::Idle) {
            Sending::Done(result) => {
                self.habit = Habit::Undecided;
                engine.withheld.remove(key.index());
                Poll::Ready(result)
            }
            Sending::Idle | Sending::Running(_) => Poll::Ready(Ok(())),
        }
    }

    /// Ends a send that nobody waits for any more.
    pub(crate) fn give_up_sending<K: Kernel<Descriptor = D>>(&mut self, engine: &mut Engine<K>) {
        if let Sending::Running(operation) = self.sending {
            self.sending = Sending::Idle;
            engine.ring.cancel(operation);
        }
    }

    pub(super) fn close<K: Kernel<Descriptor = D>>(self, key: Key, engine: &mut Engine<K>) {
        engine.withheld.remove(key.index());
        engine.leftovers.to_wake.extend([self.reader, self.writer].into_iter().flatten());
        if let Receiving::Running(operation) = self.receiving {
            engine.ring.cancel(operation);
        }
        if let Sending::Running(operation) = self.sending {
            engine.ring.cancel(operation);
        }
    }
}

// What the ring reports.
impl<D> Socket<D> {
    #[inline]
    pub(super) fn settle<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        report: Report<D>,
        engine: &mut Engine<K>,
    ) {
        match report.event {
            Event::Received(received) => {
                if report.is_final {
                    self.receiving = Receiving::Idle;
                }
                self.settle_received(key, received, engine);
            }
            Event::Sent(result, rest) => self.settle_sent(key, result, rest, engine),
            Event::Freed { copied, payload } => {
                engine.tally.zero_copies_copied += u64::from(copied);
                self.zero_copy = match self.zero_copy {
                    ZeroCopy::Asked if !copied => ZeroCopy::Granted,
                    known if !copied => known,
                    _ => ZeroCopy::Refused,
                };
                engine.leftovers.to_drop.push(Waste::Payload(payload));
            }
            Event::Connected(result) => {
                self.sending = Sending::Done(result);
                engine.leftovers.to_wake.extend(self.writer.take());
            }
            Event::Accepted(_) => {}
        }
    }

    fn settle_received<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        received: io::Result<Option<Segment>>,
        engine: &mut Engine<K>,
    ) {
        match received {
            Ok(Some(segment)) => {
                let copied = self.take_in(segment, engine.ring.buffers_are_scarce());
                engine.tally.copied_out += copied as u64;
            }
            Ok(None) => self.receiving = Receiving::Ended,
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                engine.tally.out_of_buffers += 1;
                engine.ring.grow();
            }
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => {}
            Err(error) => {
                self.receiving = Receiving::Failed(error.raw_os_error().unwrap_or(libc::EIO));
            }
        }
        let is_idle = matches!(self.receiving, Receiving::Idle);
        if is_idle && self.has_room() {
            engine.starved.push(key);
        }
        if !is_idle || self.first.is_some() {
            let is_withheld = matches!(self.sending, Sending::Done(_));
            let awaiting = match self.reader {
                // Has waited for this, too.
                None if is_withheld => &mut self.writer,
                _ => &mut self.reader,
            };
            if let Some(waker) = awaiting.take() {
                // Both are soon looked at, and a thousand connections' do not stay in the cache.
                prefetch::<OWNER_LINES>(self.owner.address);
                prefetch::<TASK_LINES>(waker.data().addr());
                engine.leftovers.to_wake.push(waker);
            }
        }
        if let (Receiving::Running(operation), false) = (&self.receiving, self.has_room()) {
            let operation = *operation;
            self.receiving = Receiving::Stopping;
            engine.ring.cancel(operation);
        }
    }

    fn settle_sent<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        result: io::Result<usize>,
        rest: Payload,
        engine: &mut Engine<K>,
    ) {
        if !matches!(self.sending, Sending::Running(_)) {
            // Given up: what was not taken shall not be sent (B38).
            return engine.leftovers.to_drop.push(Waste::Payload(rest));
        }
        let (result, sent) = match result {
            Ok(n) if rest.len() > 0 && n > 0 => return self.send(key, rest, engine),
            Ok(_) if rest.len() > 0 => (Err(io::ErrorKind::WriteZero.into()), 0),
            Ok(n) => (Ok(()), n),
            Err(error) => (Err(error), 0),
        };
        let awaits_answer = self.habit == Habit::Asks
            && self.reader.is_none()
            && self.first.is_none()
            && matches!(self.receiving, Receiving::Running(_));
        if result.is_err() || !awaits_answer || sent > MOST_WITHHELD {
            engine.leftovers.to_wake.extend(self.writer.take());
        } else {
            engine.withheld.add(key.index());
        }
        self.sending = Sending::Done(result);
        // Others need it sooner, and find it warm in the cache.
        let Payload { pieces, mut tail } = rest;
        if (1..=MOST_WITHHELD).contains(&tail.capacity()) && engine.spare.len() < MOST_SPARE {
            engine.spare.push(std::mem::take(&mut tail));
        }
        if pieces.is_some() {
            engine.leftovers.to_drop.push(Waste::Payload(Payload { pieces, tail }));
        }
    }

    /// Tells its owner that its bytes were sent, unless it knows.
    pub(super) fn tell_sent(&mut self, to_wake: &mut Vec<Waker>) {
        if let Sending::Done(_) = self.sending {
            to_wake.extend(self.writer.take());
        }
    }

    fn has_room(&self) -> bool {
        (self.unread as usize) < MOST_UNREAD
    }

    /// Lets the kernel receive, unless it does, or there is enough that nobody reads.
    pub(super) fn receive_more<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        engine: &mut Engine<K>,
    ) {
        if let (Receiving::Idle, true) = (&self.receiving, self.has_room()) {
            let operation = Operation::ReceiveMany(Arc::clone(&self.descriptor));
            self.receiving = Receiving::Running(engine.ring.start(operation, key.bits()));
        }
    }

    /// Queues what came; gives how many bytes were copied.
    fn take_in(&mut self, segment: Segment, is_scarce: bool) -> usize {
        let length = segment.len();
        self.unread += length as u32;
        if !is_scarce {
            self.push(Piece::InPlace(segment));
            return 0;
        }
        let last = match self.rest.as_mut().and_then(|rest| rest.back_mut()) {
            None => self.first.as_mut(),
            last => last,
        };
        match last {
            Some(Piece::Copied(bytes)) => bytes.extend_from_slice(&segment),
            _ => self.push(Piece::Copied(Box::new(BytesMut::from(&segment[..])))),
        }
        length
    }

    fn push(&mut self, piece: Piece) {
        match self.first {
            None => self.first = Some(piece),
            Some(_) => self.rest.get_or_insert_default().push_back(piece),
        }
    }

    fn next_piece(&mut self) -> Option<Piece> {
        let piece = self.first.take()?;
        if let Some(rest) = &mut self.rest {
            self.first = rest.pop_front();
            if rest.is_empty() {
                self.rest = None;
            }
        }
        self.unread -= piece.len() as u32;
        Some(piece)
    }
}
