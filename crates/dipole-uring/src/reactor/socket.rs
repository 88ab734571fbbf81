//! A socket on the ring: what it receives and sends.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;

use super::waking::{Limit, Since, Waste, remember};
use super::{Engine, Piece};
use crate::ring::{Copying, Event, Kernel, Operation, Payload, Report, Segment};
use crate::slots::Key;

/// Unread bytes of one socket at which the kernel is told to receive no more for it.
const MOST_UNREAD: usize = 64 * 1024;
/// Whoever has sent more than this is told so at once: more is likely to follow.
const MOST_WITHHELD: usize = 16 * 1024;
/// The most buffers of sockets that are withheld which wait for another one.
const MOST_SPARE: usize = 64;

/// A socket as the ring knows it.
pub(crate) struct Socket<D> {
    pub(super) descriptor: Arc<D>,
    receiving: Receiving,
    /// Unread, in order.
    first: Option<Piece>,
    rest: VecDeque<Piece>,
    /// Bytes of both.
    unread: usize,
    reader: Option<Waker>,
    sending: Sending,
    writer: Option<Waker>,
    habit: Habit,
    withheld: Since,
    zero_copy: ZeroCopy,
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
    /// With memory that can be used again.
    Done(io::Result<()>, BytesMut),
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
            rest: VecDeque::new(),
            unread: 0,
            reader: None,
            sending: Sending::Idle,
            writer: None,
            habit: Habit::SendsOn,
            withheld: Since::default(),
            zero_copy: ZeroCopy::Untried,
        }
    }

    /// The next received bytes; `None` at the peer's end, each time.
    #[inline]
    pub(crate) fn poll_receive<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
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

    /// Ready when all that was to be sent was, or the socket is connected; with memory to use again.
    #[inline]
    pub(crate) fn poll_sent<K: Kernel<Descriptor = D>>(
        &mut self,
        cx: &Context<'_>,
        engine: &mut Engine<K>,
    ) -> Poll<io::Result<BytesMut>> {
        if let Sending::Running(_) = self.sending {
            remember(&mut self.writer, cx.waker(), &mut engine.leftovers);
            return Poll::Pending;
        }
        // Whoever was withheld has come by itself, and is not to be woken.
        engine.leftovers.to_drop.extend(self.writer.take().map(Waste::Waker));
        match std::mem::replace(&mut self.sending, Sending::Idle) {
            Sending::Done(result, memory) => {
                self.habit = Habit::Undecided;
                let has_none = memory.capacity() == 0;
                let spare = if has_none { engine.spare.pop() } else { None };
                Poll::Ready(result.map(|()| spare.unwrap_or(memory)))
            }
            Sending::Idle | Sending::Running(_) => Poll::Ready(Ok(BytesMut::new())),
        }
    }

    /// Ends a send that nobody waits for any more.
    pub(crate) fn give_up_sending<K: Kernel<Descriptor = D>>(&mut self, engine: &mut Engine<K>) {
        if let Sending::Running(operation) = self.sending {
            self.sending = Sending::Idle;
            engine.ring.cancel(operation);
        }
    }

    pub(super) fn close<K: Kernel<Descriptor = D>>(self, engine: &mut Engine<K>) {
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
                self.sending = Sending::Done(result, BytesMut::new());
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
        if is_idle && self.unread < MOST_UNREAD {
            engine.starved.push(key);
        }
        if !is_idle || self.first.is_some() {
            let is_withheld = matches!(self.sending, Sending::Done(..));
            let awaiting = match self.reader {
                // Has waited for this, too.
                None if is_withheld => &mut self.writer,
                _ => &mut self.reader,
            };
            engine.leftovers.to_wake.extend(awaiting.take());
        }
        if let (Receiving::Running(operation), true) = (&self.receiving, self.unread >= MOST_UNREAD)
        {
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
        let Payload { pieces, mut tail } = rest;
        if result.is_err() || !awaits_answer || sent > MOST_WITHHELD {
            engine.leftovers.to_wake.extend(self.writer.take());
        } else if engine.withheld.has_room(self.withheld) {
            engine.withheld.add(key, &mut self.withheld);
            // Others need it sooner, and find it warm in the cache.
            if (1..=MOST_WITHHELD).contains(&tail.capacity()) && engine.spare.len() < MOST_SPARE {
                engine.spare.push(std::mem::take(&mut tail));
            }
        } else {
            engine.late.extend(self.writer.take());
        }
        self.sending = Sending::Done(result, tail);
        if pieces.is_some() {
            let tail = BytesMut::new();
            engine.leftovers.to_drop.push(Waste::Payload(Payload { pieces, tail }));
        }
    }

    /// Whether it stays withheld, and listed as that; if not, its owner is told.
    pub(super) fn stays_withheld(&mut self, limit: Limit, to_wake: &mut Vec<Waker>) -> bool {
        let is_withheld = matches!(self.sending, Sending::Done(..)) && self.writer.is_some();
        if is_withheld && self.withheld.is_within(limit) {
            return true;
        }
        if is_withheld {
            to_wake.extend(self.writer.take());
        }
        self.withheld.unlist();
        false
    }

    /// Lets the kernel receive, unless it does, or there is enough that nobody reads.
    pub(super) fn receive_more<K: Kernel<Descriptor = D>>(
        &mut self,
        key: Key,
        engine: &mut Engine<K>,
    ) {
        if let (Receiving::Idle, true) = (&self.receiving, self.unread < MOST_UNREAD) {
            let operation = Operation::ReceiveMany(Arc::clone(&self.descriptor));
            self.receiving = Receiving::Running(engine.ring.start(operation, key.bits()));
        }
    }

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
