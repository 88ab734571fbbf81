//! What the two ends of a connection share.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use dipole_net::Side;

use crate::faults::Faults;
use crate::input::Input;
use crate::output::Output;
use crate::pipe::{Pipe, Sent, Taken};
use crate::{Config, UnreadAtClose};

/// The state of one connection. Everybody is woken, and everything dropped, outside its lock.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    counters: Arc<Counters>,
    unread_at_close: UnreadAtClose,
}

#[derive(Debug)]
struct State {
    /// The pipe that each end writes to.
    pipes: [Pipe; 2],
    /// Broken off: nothing is under way, and nothing ever will be.
    broken: bool,
    /// Ends that are not closed.
    ends: u8,
}

/// What the connections of a network amount to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// With at least one end that is not closed.
    pub(crate) connections: AtomicUsize,
    /// Ends that are not closed.
    pub(crate) ends: AtomicUsize,
    /// Bytes under way.
    pub(crate) in_flight: AtomicUsize,
}

/// One end of a connection: the dialler's or the listener's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dialer,
    Listener,
}

impl End {
    fn writes(self) -> usize {
        self as usize
    }

    fn reads(self) -> usize {
        1 - self as usize
    }
}

impl Link {
    pub(crate) fn new(config: &Config, number: u64, counters: Arc<Counters>) -> Arc<Self> {
        counters.connections.fetch_add(1, Relaxed);
        counters.ends.fetch_add(2, Relaxed);
        let pipe = |direction| Pipe::new(config, Faults::new(config, number, direction));
        let state = Mutex::new(State { pipes: [pipe(0), pipe(1)], broken: false, ends: 2 });
        Arc::new(Self { state, counters, unread_at_close: config.unread_at_close })
    }

    /// Sends of `output` what there is room for; `waker` waits for more of it.
    pub(crate) fn send(&self, end: End, output: &mut Output, waker: &Waker) -> Sent {
        let mut state = self.lock();
        if state.broken {
            return Sent::Broke;
        }
        let pipe = &mut state.pipes[end.writes()];
        let before = pipe.len();
        let sent = pipe.send(output);
        let added = pipe.len() - before;
        if added > 0 {
            self.counters.in_flight.fetch_add(added, Relaxed);
        }
        if sent == Sent::Broke {
            self.break_off(state);
            return sent;
        }
        let replaced = if sent == Sent::Waits { register(&mut pipe.writer, waker) } else { None };
        let reader = if added > 0 { pipe.reader.take() } else { None };
        drop(state);
        drop(replaced);
        wake(reader);
        sent
    }

    /// Moves to `input`, which holds fewer than `n` bytes, what is due; `waker` waits for more.
    pub(crate) fn take(&self, end: End, input: &mut Input, n: usize, waker: &Waker) -> Taken {
        let mut state = self.lock();
        if state.broken {
            return Taken::Reset;
        }
        let pipe = &mut state.pipes[end.reads()];
        let before = pipe.len();
        let taken = pipe.take(input, n);
        let removed = before - pipe.len();
        if removed > 0 {
            self.counters.in_flight.fetch_sub(removed, Relaxed);
        }
        let replaced = match taken {
            Taken::Waits(_) => register(&mut pipe.reader, waker),
            _ => None,
        };
        let writer = if removed > 0 { pipe.writer.take() } else { None };
        drop(state);
        drop(replaced);
        wake(writer);
        taken
    }

    /// Ends the direction that `end` writes; gives false when the connection was broken off.
    pub(crate) fn finish(&self, end: End) -> bool {
        let mut state = self.lock();
        if state.broken {
            return false;
        }
        let pipe = &mut state.pipes[end.writes()];
        pipe.finish();
        let reader = pipe.reader.take();
        drop(state);
        wake(reader);
        true
    }

    /// Forgets who waits on `side` of `end`.
    pub(crate) fn forget(&self, end: End, side: Side) {
        let mut state = self.lock();
        let waker = match side {
            Side::Read => state.pipes[end.reads()].reader.take(),
            Side::Write => state.pipes[end.writes()].writer.take(),
        };
        drop(state);
        drop(waker);
    }

    /// Closes `end`, once. `unread` says that it still held bytes for its reader.
    pub(crate) fn close(&self, end: End, unread: bool) {
        let mut state = self.close_end();
        if state.broken {
            return;
        }
        let unread = unread || state.pipes[end.reads()].len() > 0;
        if unread && self.unread_at_close == UnreadAtClose::Resets {
            return self.break_off(state);
        }
        let outgoing = &mut state.pipes[end.writes()];
        outgoing.finish();
        let (reader, own_writer) = (outgoing.reader.take(), outgoing.writer.take());
        let incoming = &mut state.pipes[end.reads()];
        let (writer, own_reader) = (incoming.writer.take(), incoming.reader.take());
        self.counters.in_flight.fetch_sub(incoming.len(), Relaxed);
        let chunks = incoming.leave_unread();
        drop(state);
        drop((chunks, own_reader, own_writer));
        wake(reader);
        wake(writer);
    }

    /// Closes an end, once, and breaks the connection off.
    pub(crate) fn reset(&self) {
        self.break_off(self.close_end());
    }

    fn close_end(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.ends -= 1;
        self.counters.ends.fetch_sub(1, Relaxed);
        if state.ends == 0 {
            self.counters.connections.fetch_sub(1, Relaxed);
        }
        state
    }

    fn break_off(&self, mut state: MutexGuard<'_, State>) {
        state.broken = true;
        let leftovers = state.pipes.each_mut().map(|pipe| {
            self.counters.in_flight.fetch_sub(pipe.len(), Relaxed);
            (pipe.leave_unread(), pipe.reader.take(), pipe.writer.take())
        });
        drop(state);
        for (chunks, reader, writer) in leftovers {
            drop(chunks);
            wake(reader);
            wake(writer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts `waker` in place and gives the one it replaced, to be dropped outside the lock.
pub(crate) fn register(place: &mut Option<Waker>, waker: &Waker) -> Option<Waker> {
    match place {
        Some(known) if known.will_wake(waker) => None,
        _ => place.replace(waker.clone()),
    }
}

pub(crate) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
