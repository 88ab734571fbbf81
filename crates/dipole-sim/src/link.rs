//! What the two ends of a connection share.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use dipole_net::Side;
use tokio::time::Instant;

use crate::faults::Faults;
use crate::input::Input;
use crate::ledger::{Ledger, Party};
use crate::output::Output;
use crate::pipe::{Pipe, Sent, Taken};
use crate::wire::{Passage, Wire};
use crate::{Config, UnreadAtClose};

/// The state of one connection. Everybody is woken, and everything dropped, outside its lock.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    number: u64,
    /// The hosts of the dialler and the listener.
    hosts: [Arc<str>; 2],
    ledger: Arc<Ledger>,
    unread_at_close: UnreadAtClose,
}

#[derive(Debug)]
struct State {
    /// The pipe that each end writes to.
    pipes: [Pipe; 2],
    /// Broken off: nothing is under way, and nothing ever will be.
    broken: bool,
    /// Whether the host of each end knows of the connection.
    standing: [Standing; 2],
    /// Ends that are not closed.
    ends: u8,
}

/// Whether an end's host knows of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Known,
    /// The host is down.
    Crashed,
    /// The host is there and has forgotten it: what comes for it is answered by a reset.
    Forgotten,
}

/// One end of a connection: the dialler's or the listener's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dialer,
    Listener,
}

/// One direction: how it behaves, and the way it goes.
#[derive(Debug, Clone)]
pub(crate) struct Direction {
    pub(crate) config: Config,
    pub(crate) wire: Arc<Wire>,
}

impl End {
    pub(crate) const BOTH: [Self; 2] = [Self::Dialer, Self::Listener];

    pub(crate) fn peer(self) -> Self {
        match self {
            Self::Dialer => Self::Listener,
            Self::Listener => Self::Dialer,
        }
    }

    fn writes(self) -> usize {
        self as usize
    }

    fn reads(self) -> usize {
        1 - self as usize
    }

    /// The direction that it writes, in the log.
    pub(crate) fn arrow(self) -> char {
        match self {
            Self::Dialer => '>',
            Self::Listener => '<',
        }
    }
}

impl Link {
    /// `directions` and `hosts`: the dialler's first.
    pub(crate) fn new(
        number: u64,
        directions: [Direction; 2],
        hosts: [Arc<str>; 2],
        ledger: Arc<Ledger>,
    ) -> Arc<Self> {
        ledger.connections.fetch_add(1, Relaxed);
        ledger.ends.fetch_add(2, Relaxed);
        let unread_at_close = directions[0].config.unread_at_close;
        let mut index = 0_u64;
        let pipes = directions.map(|Direction { config, wire }| {
            let faults = Faults::new(&config, &[number, index]);
            index += 1;
            Pipe::new(&config, faults, wire)
        });
        let standing = [Standing::Known; 2];
        let state = Mutex::new(State { pipes, broken: false, standing, ends: 2 });
        let link = Arc::new(Self { state, number, hosts, ledger, unread_at_close });
        link.ledger.enter(number, Arc::downgrade(&link) as _);
        link
    }

    /// Sends of `output` what there is room for; `waker` waits for more of it.
    pub(crate) fn send(&self, end: End, output: &mut Output, waker: &Waker) -> Sent {
        let mut state = self.lock();
        if !state.is_alive(end) {
            return Sent::Broke;
        }
        if state.gives_up_at(end).is_some_and(|at| at <= Instant::now()) {
            self.give_up(state, end);
            return Sent::Broke;
        }
        if state.is_answered_by_a_reset(end) {
            self.break_off(state, "the peer does not know the connection");
            return Sent::Broke;
        }
        let pipe = &mut state.pipes[end.writes()];
        let before = pipe.len();
        let sent = pipe.send(output);
        let added = pipe.len() - before;
        if added > 0 {
            self.ledger.in_flight.fetch_add(added, Relaxed);
            self.log(end, format_args!("sent {added}"));
        }
        match sent {
            Sent::Broke => {
                self.break_off(state, "a fault");
                return Sent::Broke;
            }
            Sent::GivenUp => {
                self.give_up(state, end);
                return Sent::Broke;
            }
            _ => {}
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
        if !state.is_alive(end) {
            return Taken::Reset;
        }
        let gives_up_at = state.gives_up_at(end);
        let pipe = &mut state.pipes[end.reads()];
        let before = pipe.len();
        let mut taken = pipe.take(input, n);
        let removed = before - pipe.len();
        if removed > 0 {
            self.ledger.in_flight.fetch_sub(removed, Relaxed);
            self.log(end, format_args!("took {removed}"));
        }
        let mut replaced = None;
        if let Taken::Waits(due) = &mut taken {
            if gives_up_at.is_some_and(|at| at <= Instant::now()) {
                self.give_up(state, end);
                return Taken::Reset;
            }
            *due = [*due, gives_up_at].into_iter().flatten().min();
            replaced = register(&mut pipe.reader, waker);
        }
        let writer = if removed > 0 { pipe.writer.take() } else { None };
        drop(state);
        drop(replaced);
        wake(writer);
        taken
    }

    /// When `end` gives up sending; `None` while what it sent gets through.
    pub(crate) fn gives_up_at(&self, end: End) -> Option<Instant> {
        self.lock().gives_up_at(end)
    }

    /// Ends the direction that `end` writes; gives false when the connection was broken off.
    pub(crate) fn finish(&self, end: End) -> bool {
        let mut state = self.lock();
        if !state.is_alive(end) {
            return false;
        }
        let pipe = &mut state.pipes[end.writes()];
        pipe.finish();
        let reader = pipe.reader.take();
        self.log(end, format_args!("finished"));
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
        let mut state = self.close_end(end, "closed");
        if !state.is_alive(end) {
            return;
        }
        let unread = unread || state.pipes[end.reads()].len() > 0;
        let cut_off = state.pipes[end.writes()].wire().passage() == Passage::Blocked;
        if unread && self.unread_at_close == UnreadAtClose::Resets && !cut_off {
            return self.break_off(state, "closed with bytes unread");
        }
        let outgoing = &mut state.pipes[end.writes()];
        outgoing.finish();
        let (reader, own_writer) = (outgoing.reader.take(), outgoing.writer.take());
        let incoming = &mut state.pipes[end.reads()];
        let own_reader = incoming.reader.take();
        let (mut chunks, mut writer) = (Default::default(), None);
        if cut_off {
            // The peer learns of it when it can be reached again.
            state.standing[end as usize] = Standing::Forgotten;
        } else {
            self.ledger.in_flight.fetch_sub(incoming.len(), Relaxed);
            chunks = incoming.leave_unread();
            writer = incoming.writer.take();
        }
        drop(state);
        drop((chunks, own_reader, own_writer));
        wake(reader);
        wake(writer);
    }

    /// Closes `end`, once, and breaks the connection off.
    pub(crate) fn reset(&self, end: End) {
        let mut state = self.close_end(end, "reset");
        if !state.is_alive(end) {
            return;
        }
        if state.pipes[end.writes()].wire().passage() == Passage::Blocked {
            // A reset is sent once, and this one gets lost.
            state.standing[end as usize] = Standing::Forgotten;
            return;
        }
        self.break_off(state, "reset");
    }

    /// What `end` sends does not arrive any more: it alone is broken off.
    fn give_up(&self, state: MutexGuard<'_, State>, end: End) {
        self.log(end, format_args!("gave up"));
        self.lose(state, end, Standing::Forgotten);
    }

    fn lose(&self, mut state: MutexGuard<'_, State>, end: End, standing: Standing) {
        if !state.is_alive(end) {
            return;
        }
        state.standing[end as usize] = standing;
        let outgoing = &mut state.pipes[end.writes()];
        let before = outgoing.len();
        let held = outgoing.forget_held();
        let mut lost = before - outgoing.len();
        let mut wakers = vec![outgoing.writer.take()];
        let incoming = &mut state.pipes[end.reads()];
        // The peer may send on, into nothing.
        wakers.extend([incoming.reader.take(), incoming.writer.take()]);
        let before = incoming.len();
        let unread = incoming.clear();
        lost += before - incoming.len();
        self.ledger.in_flight.fetch_sub(lost, Relaxed);
        drop(state);
        drop((held, unread));
        wakers.into_iter().for_each(wake);
    }

    fn close_end(&self, end: End, how: &str) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        self.log(end, format_args!("{how}"));
        state.ends -= 1;
        self.ledger.ends.fetch_sub(1, Relaxed);
        if state.ends == 0 {
            self.ledger.connections.fetch_sub(1, Relaxed);
            self.ledger.leave(self.number);
            let left: usize = state.pipes.iter().map(Pipe::len).sum();
            let chunks = state.pipes.each_mut().map(Pipe::leave_unread);
            self.ledger.in_flight.fetch_sub(left, Relaxed);
            drop(state);
            drop(chunks);
            return self.lock();
        }
        state
    }

    fn break_off(&self, mut state: MutexGuard<'_, State>, why: &str) {
        self.ledger.log(format_args!("#{} broken off: {why}", self.number));
        state.broken = true;
        let leftovers = state.pipes.each_mut().map(|pipe| {
            self.ledger.in_flight.fetch_sub(pipe.len(), Relaxed);
            (pipe.leave_unread(), pipe.reader.take(), pipe.writer.take())
        });
        drop(state);
        for (chunks, reader, writer) in leftovers {
            drop(chunks);
            wake(reader);
            wake(writer);
        }
    }

    fn log(&self, end: End, event: std::fmt::Arguments<'_>) {
        self.ledger.log(format_args!("#{}{} {event}", self.number, end.arrow()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Party for Link {
    fn crash(&self, name: &str) {
        for end in End::BOTH {
            if *self.hosts[end as usize] == *name {
                self.lose(self.lock(), end, Standing::Crashed);
            }
        }
    }

    fn restart(&self, name: &str) {
        let mut state = self.lock();
        for end in End::BOTH {
            let standing = &mut state.standing[end as usize];
            if *self.hosts[end as usize] == *name && *standing == Standing::Crashed {
                *standing = Standing::Forgotten;
            }
        }
    }

    fn look_at_ways(&self) {
        let mut state = self.lock();
        let mut woken = Vec::new();
        for end in End::BOTH {
            let peer = &state.pipes[end.writes()];
            if !peer.holds() || peer.wire().passage() == Passage::Blocked {
                continue;
            }
            if state.is_answered_by_a_reset(end) {
                return self.break_off(state, "the peer does not know the connection");
            }
            let pipe = &mut state.pipes[end.writes()];
            pipe.resend();
            woken.push(pipe.reader.take());
        }
        drop(state);
        woken.into_iter().for_each(wake);
    }
}

impl State {
    /// False when all that `end` can learn is that the connection is broken off.
    fn is_alive(&self, end: End) -> bool {
        !self.broken && self.standing[end as usize] == Standing::Known
    }

    fn gives_up_at(&self, end: End) -> Option<Instant> {
        self.pipes[end.writes()].gives_up_at()
    }

    /// True when the peer's host has forgotten the connection, and both ways are open.
    fn is_answered_by_a_reset(&self, end: End) -> bool {
        let open = |pipe: &Pipe| pipe.wire().passage() == Passage::Open;
        self.standing[end.reads()] == Standing::Forgotten && self.pipes.iter().all(open)
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
