//! What waits for the ring: sockets and listeners, their operations, and who is to be woken.
//!
//! | file | what it is |
//! |---|---|
//! | `mod.rs` | the turn of the ring, and the table of what is on it |
//! | `socket.rs` | a socket: what it receives and sends |
//! | `piece.rs` | what a socket has received |
//! | `listening.rs` | a listener: what it accepts |
//! | `waking.rs` | who is woken when, and what is dropped outside of the lock |

mod listening;
mod piece;
mod socket;
#[cfg(test)]
mod tests;
mod waking;

use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::ring::{Announcing, Event, Kernel, MOST_ROUNDS, Report, Ring, prefetch};
use crate::slots::{Key, Slots};

use self::listening::Listening;
pub(crate) use self::piece::Piece;
#[cfg(test)]
pub(crate) use self::socket::OWNER_LINES;
pub(crate) use self::socket::{Place, Socket};
use self::waking::Withheld;
pub(crate) use self::waking::{Leftovers, Waste};

/// How many completions before its own a socket is brought into the cache.
const AHEAD: usize = 3;

/// The sockets of a ring.
pub(crate) struct Reactor<K: Kernel> {
    sources: Slots<Source<K::Descriptor>>,
    pub(crate) engine: Engine<K>,
    pub(crate) thread: Thread,
    after_turn: Vec<Waker>,
}

/// What sources act through.
pub(crate) struct Engine<K: Kernel> {
    ring: Ring<K>,
    /// Woken, or dropped, once the lock is not held.
    leftovers: Leftovers,
    /// Those whose bytes are sent, and who are told so with what they receive next.
    withheld: Withheld,
    /// Memory that was sent from, for whoever sends next.
    spare: Vec<BytesMut>,
    /// Sockets whose receive has ended without an end of theirs, to be begun again after this turn.
    starved: Vec<Key>,
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

/// How a turn is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Those whose bytes were sent are not woken for that alone: another turn is soon to follow.
    Brisk,
    /// Where nothing comes, whoever is to be woken is.
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

impl<K: Kernel> Engine<K> {
    /// Memory to send from, if there is some that is warm in the cache.
    #[inline]
    pub(crate) fn spare(&mut self) -> BytesMut {
        self.spare.pop().unwrap_or_default()
    }
}

impl<K: Kernel> Reactor<K> {
    pub(crate) fn new(ring: Ring<K>, zero_copy_from: Option<usize>) -> Self {
        let engine = Engine {
            ring,
            leftovers: Leftovers::default(),
            withheld: Withheld::default(),
            spare: Vec::new(),
            starved: Vec::new(),
            zero_copy_from,
            tally: Tally::default(),
        };
        let (sources, after_turn) = (Slots::default(), Vec::new());
        Self { sources, engine, thread: Thread::Awake, after_turn }
    }

    pub(crate) fn ring(&mut self) -> &mut Ring<K> {
        &mut self.engine.ring
    }

    pub(crate) fn tally(&self) -> Tally {
        self.engine.tally
    }

    /// What is to be woken and dropped now, if there is anything.
    #[inline]
    pub(crate) fn leftovers(&mut self) -> Option<Leftovers> {
        let leftovers = &mut self.engine.leftovers;
        (!leftovers.is_empty()).then(|| std::mem::take(leftovers))
    }

    /// Takes the memory of leftovers that were dealt with.
    pub(crate) fn reuse(&mut self, leftovers: Leftovers) {
        if self.engine.leftovers.is_empty() {
            self.engine.leftovers = leftovers;
        }
    }

    /// Gives the kernel what is new and takes what it has done.
    pub(crate) fn turn(&mut self, pace: Pace, now: Instant) -> Brought {
        let mut waiting = match pace {
            Pace::Waiting(at_most) if self.after_turn.is_empty() => Some(at_most),
            _ => None,
        };
        self.engine.tally.turns += 1;
        let mut came = false;
        for _ in 0..MOST_ROUNDS {
            // What the kernel does not take now stays queued for the next turn.
            let entered = self.engine.ring.enter(waiting.take());
            while let Some(report) = self.engine.ring.next_report() {
                came = true;
                self.prepare();
                self.settle(report);
            }
            if entered.is_err() || !self.engine.ring.is_behind() {
                break;
            }
        }
        while let Some(key) = self.engine.starved.pop() {
            if let Some(Source::Socket(socket)) = self.sources.get_mut(key) {
                socket.receive_more(key, &mut self.engine);
            }
        }
        let woken = self.engine.leftovers.to_wake.len();
        self.engine.leftovers.to_wake.append(&mut self.after_turn);
        if came {
            self.wake_withheld(Some(now));
            return Brought::Something;
        }
        if pace != Pace::Brisk {
            self.wake_withheld(None);
        }
        if self.engine.leftovers.to_wake.len() > woken { Brought::Wakes } else { Brought::Nothing }
    }

    /// Says that the thread is about to wait; false when it should look once more.
    pub(crate) fn park(&mut self) -> bool {
        self.thread = Thread::Parked;
        self.engine.ring.announce(Announcing::On);
        !self.has_work()
    }

    /// Says that the thread goes on with other things, and is to be told of what is new; false when it
    /// should look once more.
    pub(crate) fn rest(&mut self) -> bool {
        self.thread = Thread::Parked;
        self.engine.ring.announce(Announcing::On);
        !self.has_news()
    }

    /// Says that the thread will turn the ring before it waits or rests.
    pub(crate) fn unpark(&mut self) {
        if self.thread == Thread::Parked {
            self.thread = Thread::Awake;
            self.engine.ring.announce(Announcing::Off);
        }
    }

    /// Ends everything: whoever waits is woken, and finds the ring ended. On the ring's thread.
    pub(crate) fn end(&mut self) {
        self.thread = Thread::Ended;
        for key in self.sources.keys().collect::<Vec<_>>() {
            self.close(key);
        }
        self.engine.ring.drain();
        self.engine.leftovers.to_wake.append(&mut self.after_turn);
    }

    /// Ready after one more turn of the ring: what the kernel had by now is known then.
    pub(crate) fn wake_after_turn(&mut self, waker: &Waker) {
        self.after_turn.push(waker.clone());
    }

    /// True when the ring's thread has something to do.
    pub(crate) fn has_work(&mut self) -> bool {
        !self.after_turn.is_empty()
            || !self.engine.withheld.is_empty()
            || self.engine.ring.has_work()
    }

    /// True when it has something to do that it has not known of when it looked last.
    pub(crate) fn has_news(&mut self) -> bool {
        !self.after_turn.is_empty() || self.engine.ring.has_work()
    }

    // The table.

    pub(crate) fn add_socket(&mut self, descriptor: K::Descriptor) -> Key {
        self.sources.insert(Source::Socket(Socket::new(descriptor)))
    }

    pub(crate) fn add_listener(&mut self, descriptor: K::Descriptor) -> Key {
        self.sources.insert(Source::Listener(Box::new(Listening::new(descriptor))))
    }

    /// A socket, and what it acts through; `None` when it was closed or is none.
    #[inline]
    pub(crate) fn socket(
        &mut self,
        key: Key,
    ) -> Option<(&mut Socket<K::Descriptor>, &mut Engine<K>)> {
        match self.sources.get_mut(key)? {
            Source::Socket(socket) => Some((socket, &mut self.engine)),
            Source::Listener(_) => None,
        }
    }

    /// The next connection; `NotConnected` when there will be none any more.
    pub(crate) fn poll_accept(
        &mut self,
        key: Key,
        cx: &Context<'_>,
    ) -> Poll<io::Result<K::Descriptor>> {
        match self.sources.get_mut(key) {
            Some(Source::Listener(listener)) => listener.poll_accept(key, cx, &mut self.engine),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Accepts no more: what was accepted is still given.
    pub(crate) fn stop_accepting(&mut self, key: Key) {
        if let Some(Source::Listener(listener)) = self.sources.get_mut(key) {
            listener.stop(&mut self.engine);
        }
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

    /// Forgets a socket or listener; its descriptor is closed as soon as the kernel has let go of it.
    pub(crate) fn close(&mut self, key: Key) {
        match self.sources.remove(key) {
            None => {}
            Some(Source::Listener(listener)) => listener.close(&mut self.engine),
            Some(Source::Socket(socket)) => socket.close(key, &mut self.engine),
        }
    }

    // What the ring reports.

    /// Brings the socket that soon has received something into the cache: a thousand of them do not stay there.
    #[inline]
    fn prepare(&mut self) {
        if let Some(token) = self.engine.ring.upcoming(AHEAD)
            && let Some(place) = self.sources.place(Key::from_bits(token))
        {
            prefetch::<{ socket::LINES }>(std::ptr::from_ref(place).addr());
        }
    }

    #[inline]
    fn settle(&mut self, report: Report<K::Descriptor>) {
        let key = Key::from_bits(report.token);
        match self.sources.get_mut(key) {
            Some(Source::Socket(socket)) => socket.settle(key, report, &mut self.engine),
            Some(Source::Listener(listener)) => listener.settle(report, &mut self.engine),
            // Closed meanwhile: what the event carries goes back, or is closed.
            None => {
                if let Event::Sent(_, payload) | Event::Freed { payload, .. } = report.event {
                    self.engine.leftovers.to_drop.push(Waste::Payload(payload));
                }
            }
        }
    }

    /// Wakes those whose bytes were sent and whom nothing else has woken: those who have waited for
    /// long by `now`, or all.
    fn wake_withheld(&mut self, now: Option<Instant>) {
        let Self { sources, engine, .. } = self;
        let to_wake = &mut engine.leftovers.to_wake;
        engine.withheld.look(now, |index| {
            if let Some(Source::Socket(socket)) = sources.at_mut(index) {
                socket.tell_sent(to_wake);
            }
        });
    }
}
