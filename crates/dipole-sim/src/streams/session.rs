//! What the two ends of a connection of streams share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Initiator, Result, StreamConnStats, StreamOptions};
use tokio::time::Instant;

use crate::ledger::{Ledger, Party};
use crate::link::{Direction, End};
use crate::streams::channel::Channel;
use crate::streams::credit::Credit;
use crate::streams::life::{Event, Life};
use crate::streams::path::{Arrival, Path};

/// The state of one connection. Everybody is woken, and everything dropped, outside its lock.
pub(crate) struct Session {
    state: Mutex<State>,
    number: u64,
    /// The hosts of the dialler and the listener.
    hosts: [Arc<str>; 2],
    ledger: Arc<Ledger>,
}

pub(crate) struct State {
    pub(crate) ends: [EndState; 2],
    pub(crate) streams: BTreeMap<u64, Stream>,
    /// How each end's packets travel: for the paths of new streams.
    directions: [Direction; 2],
    number: u64,
}

/// One end.
pub(crate) struct EndState {
    pub(crate) options: StreamOptions,
    pub(crate) life: Life,
    standing: Standing,
    /// What it sends that is no stream's data.
    pub(crate) path: Path,
    /// Streams opened so far, of each kind.
    pub(crate) opened: [u64; 2],
    /// Streams that it may open, of each kind.
    pub(crate) streams: [Credit; 2],
    /// What the peer's window for all streams together still takes.
    pub(crate) window: Credit,
    /// What it may send before more is acknowledged.
    pub(crate) unacknowledged: Credit,
    /// Streams whose writers wait for the two above.
    pub(crate) blocked: BTreeSet<u64>,
    /// The peer's streams that it has not accepted, of each kind.
    pub(crate) unaccepted: [BTreeSet<u64>; 2],
    /// Datagrams for it, in the order of their arrival.
    pub(crate) datagrams: BTreeMap<(Instant, u64), Bytes>,
    /// Who waits, in turn.
    pub(crate) queues: [BTreeMap<u64, Waker>; Queue::COUNT],
    /// The next one's turn, and the next datagram's place.
    pub(crate) turn: u64,
    /// It has no handle left.
    pub(crate) is_left: bool,
    /// Bytes of data that it has given away and taken.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Datagrams that were lost.
    lost: u64,
    /// The last time there and back.
    round_trip: Duration,
}

/// A stream: the directions that each end writes, where there are any.
pub(crate) struct Stream {
    pub(crate) channels: [Option<Channel>; 2],
    /// Halves that somebody holds.
    pub(crate) halves: u8,
    pub(crate) is_accepted: bool,
    /// Its opener may open another one in its place.
    pub(crate) is_returned: bool,
}

/// Whether an end's host knows of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Known,
    /// The host is down.
    Crashed,
    /// The host is there and has forgotten it: what comes for it is answered by a reset.
    Forgotten,
}

/// Which way a stream goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bidi,
    Uni,
}

/// What callers wait for, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Open(Kind),
    Accept(Kind),
    Closed,
    Datagram,
}

impl Queue {
    const COUNT: usize = 6;

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Open(kind) => kind as usize,
            Self::Accept(kind) => 2 + kind as usize,
            Self::Closed => 4,
            Self::Datagram => 5,
        }
    }
}

/// What a look at the connection gave.
#[derive(Debug)]
pub(crate) enum Look<T> {
    Ready(T),
    /// Look again when woken, or at this time.
    Waits(Option<Instant>),
}

/// What is to be done when the lock is given back: it is dropped after the lock.
#[derive(Default)]
pub(crate) struct After {
    pub(crate) woken: Vec<Waker>,
    pub(crate) dropped: Vec<Bytes>,
    replaced: Vec<Waker>,
}

impl After {
    /// A waker that another one has taken the place of.
    pub(crate) fn replace(&mut self, waker: Option<Waker>) {
        self.replaced.extend(waker);
    }
}

impl Drop for After {
    fn drop(&mut self) {
        self.woken.drain(..).for_each(Waker::wake);
    }
}

/// Of the paths' random choices, so that they are not those of a byte stream.
const PATHS: u64 = 10;

impl Session {
    /// `directions`, `hosts` and `options`: the dialler's first.
    pub(crate) fn new(
        number: u64,
        directions: [Direction; 2],
        hosts: [Arc<str>; 2],
        options: [StreamOptions; 2],
        ledger: Arc<Ledger>,
    ) -> Arc<Self> {
        ledger.connections.fetch_add(1, Relaxed);
        ledger.ends.fetch_add(2, Relaxed);
        let idle = options.iter().filter_map(|options| options.idle_timeout).min();
        let now = Instant::now();
        let end = |end: End| {
            let (own, peer) = (&options[end as usize], &options[end.peer() as usize]);
            let path = Path::new(&directions[end as usize], &[number, PATHS + end as u64]);
            EndState {
                life: Life::new(now, idle, own.keep_alive, path.gives_up_after()),
                standing: Standing::Known,
                path,
                opened: [0; 2],
                streams: [peer.streams, peer.uni_streams].map(|limit| Credit::new(limit.into())),
                window: Credit::new(peer.connection_window.into()),
                unacknowledged: Credit::new(own.send_window.max(1).into()),
                blocked: BTreeSet::new(),
                unaccepted: Default::default(),
                datagrams: BTreeMap::new(),
                queues: Default::default(),
                turn: 0,
                is_left: false,
                sent: 0,
                received: 0,
                lost: 0,
                round_trip: Duration::ZERO,
                options: own.clone(),
            }
        };
        let ends = End::BOTH.map(end);
        let state = State { ends, streams: BTreeMap::new(), directions, number };
        let session = Arc::new(Self { state: Mutex::new(state), number, hosts, ledger });
        session.ledger.enter(number, Arc::downgrade(&session) as _);
        session
    }

    /// Looks at the connection as it is now: what has happened meanwhile has.
    pub(crate) fn look<T>(&self, action: impl FnOnce(&mut State, Instant, &mut After) -> T) -> T {
        let mut after = After::default();
        let mut state = self.lock();
        let now = Instant::now();
        state.advance(now, &mut after);
        let result = action(&mut state, now, &mut after);
        drop(state);
        result
    }

    /// Ends the connection at `end`, and tells the peer.
    pub(crate) fn close(&self, end: End, code: u64, reason: &[u8]) {
        self.look(|state, now, after| {
            if state.end(end).life.ended().is_some() {
                return;
            }
            self.log(end, format_args!("closed with code {code:#x}"));
            let error = |by| {
                let reason = Bytes::copy_from_slice(reason);
                Error::new(ErrorKind::Application { code, reason, by })
            };
            match state.tell(end, now) {
                Arrival::At(at) => {
                    state.end(end.peer()).life.will_end(at, error(Initiator::Peer));
                }
                // It is sent once, and this one gets lost.
                Arrival::Held(_) => state.end(end).standing = Standing::Forgotten,
            }
            state.end(end).life.end(now, error(Initiator::Local), Initiator::Local);
            state.wake_all(after);
        });
    }

    /// The last handle of `end` has gone.
    pub(crate) fn leave(&self, end: End) {
        self.close(end, 0, b"");
        let streams = self.look(|state, _, after| {
            state.end(end).is_left = true;
            state.end(end).datagrams.clear();
            self.ledger.ends.fetch_sub(1, Relaxed);
            if !state.end(end.peer()).is_left {
                return BTreeMap::new();
            }
            self.ledger.connections.fetch_sub(1, Relaxed);
            self.ledger.leave(self.number);
            state.wake_all(after);
            std::mem::take(&mut state.streams)
        });
        let channels = streams.into_values().flat_map(|stream| stream.channels).flatten();
        let left: usize = channels.map(|mut channel| channel.clear().1).sum();
        self.ledger.in_flight.fetch_sub(left, Relaxed);
    }

    /// Nobody accepts it: both ends are broken off.
    pub(crate) fn refuse(&self) {
        self.look(|state, now, after| state.break_off(now, after));
    }

    /// A deadline of stream `id` at `end` has changed: whoever waits looks again.
    pub(crate) fn wake(&self, end: End, id: u64) {
        self.look(|state, _, after| {
            if let Some(channel) = state.channel(end, id) {
                after.woken.extend(channel.writer.take());
            }
            if let Some(channel) = state.channel(end.peer(), id) {
                after.woken.extend(channel.reader.take());
            }
        });
    }

    /// Sends one datagram, which may be lost.
    pub(crate) fn send_datagram(&self, end: End, datagram: Bytes) -> Result<()> {
        self.look(|state, now, after| {
            if let Some(error) = state.error(end) {
                return Err(error);
            }
            let Direction { config, wire } = state.direction(end).clone();
            let length = datagram.len();
            let arrivals = wire.carry(&config, now, length);
            self.log(end, format_args!("datagram of {length}, arrives after {arrivals:?}"));
            state.counted(end, length, arrivals.is_empty());
            // Of two that arrive, the second is known as such.
            let Some(delay) = arrivals.first() else {
                state.end(end).life.has_sent(now);
                return Ok(());
            };
            let at = now + *delay;
            state.note(end, now, Arrival::At(at));
            let peer = state.end(end.peer());
            let most = peer.options.datagram_queue as usize;
            peer.turn += 1;
            peer.datagrams.insert((at, peer.turn), datagram);
            let mut held: usize = peer.datagrams.values().map(Bytes::len).sum();
            while held > most
                && let Some((_, oldest)) = peer.datagrams.pop_first()
            {
                held -= oldest.len();
                after.dropped.push(oldest);
            }
            let queue = &peer.queues[Queue::Datagram.index()];
            after.woken.extend(queue.values().cloned());
            Ok(())
        })
    }

    /// What `end` has moved.
    pub(crate) fn stats(&self, end: End) -> StreamConnStats {
        self.look(|state, _, _| {
            let mut stats = StreamConnStats::default();
            stats.sent = state.end(end).sent;
            stats.received = state.end(end).received;
            stats.lost_packets = state.end(end).lost;
            stats.round_trip = state.end(end).round_trip;
            stats
        })
    }

    /// Bytes of data are under way, or are not any more.
    pub(crate) fn count(&self, sent: usize, gone: usize) {
        self.ledger.in_flight.fetch_add(sent, Relaxed);
        self.ledger.in_flight.fetch_sub(gone, Relaxed);
    }

    pub(crate) fn log(&self, end: End, event: fmt::Arguments<'_>) {
        self.ledger.log(format_args!("#{}{} {event}", self.number, end.arrow()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Party for Session {
    fn settle(&self) {
        self.look(|_, _, _| {});
    }

    fn crash(&self, host: &str) {
        for end in End::BOTH.into_iter().filter(|end| *self.hosts[*end as usize] == *host) {
            self.look(|state, now, after| {
                if state.end(end).standing == Standing::Known {
                    state.end(end).standing = Standing::Crashed;
                    let error = ErrorKind::Reset.into();
                    state.end(end).life.end(now, error, Initiator::Local);
                    state.wake_all(after);
                }
            });
        }
    }

    fn restart(&self, host: &str) {
        for end in End::BOTH.into_iter().filter(|end| *self.hosts[*end as usize] == *host) {
            self.look(|state, _, _| {
                if state.end(end).standing == Standing::Crashed {
                    state.end(end).standing = Standing::Forgotten;
                }
            });
        }
    }

    fn look_at_ways(&self) {
        self.look(|state, now, after| {
            for end in End::BOTH {
                if state.end(end).path.is_open()
                    && state.error(end).is_none()
                    && let Some(since) = state.end(end).life.gets_through()
                {
                    state.resend(end, since, now, after);
                }
            }
            state.wake_all(after);
        });
    }
}

impl State {
    pub(crate) fn end(&mut self, end: End) -> &mut EndState {
        &mut self.ends[end as usize]
    }

    /// How what `end` sends travels.
    pub(crate) fn direction(&self, end: End) -> &Direction {
        &self.directions[end as usize]
    }

    /// `end` has sent a datagram, which gets lost or not.
    fn counted(&mut self, end: End, length: usize, is_lost: bool) {
        let own = self.end(end);
        own.sent += length as u64;
        own.lost += u64::from(is_lost);
    }

    /// The error that `end` sees on every call, once it has ended.
    pub(crate) fn error(&self, end: End) -> Option<Error> {
        self.ends[end as usize].life.ended().map(|ended| ended.error.clone())
    }

    /// Until when things that arrive at `end` are seen there: not past the connection's end, and
    /// nothing once it has ended here.
    pub(crate) fn sees_until(&self, end: End, now: Instant) -> Option<Instant> {
        match self.ends[end as usize].life.ended() {
            None => Some(now),
            Some(ended) if ended.by == Initiator::Peer => Some(ended.at),
            Some(_) => None,
        }
    }

    /// How the data that `end` writes on stream `id` travels.
    pub(crate) fn path(&self, end: End, id: u64) -> Path {
        let parts = [self.number, PATHS + end as u64, id];
        Path::new(&self.directions[end as usize], &parts)
    }

    /// Sends word of something from `end`; nothing, once the connection has ended there.
    pub(crate) fn tell(&mut self, end: End, now: Instant) -> Arrival {
        if self.error(end).is_some() {
            return Arrival::Held(now);
        }
        let arrival = self.end(end).path.tell(now);
        self.note(end, now, arrival);
        arrival
    }

    /// `end` has sent a packet; gives when its acknowledgement arrives.
    pub(crate) fn note(&mut self, end: End, now: Instant, arrival: Arrival) -> Arrival {
        self.end(end).life.has_sent(now);
        let Arrival::At(at) = arrival else {
            self.end(end).life.is_held(now);
            return Arrival::Held(now);
        };
        let peer = self.end(end.peer());
        let back = at + peer.path.delay();
        self.end(end).round_trip = back - now;
        let peer = self.end(end.peer());
        if peer.standing != Standing::Known || peer.life.ended().is_some() {
            // The host knows nothing of it, and says so.
            // What it said at the connection's end is on its way already.
            let is_told = self.ends[end as usize].life.is_ending();
            let peer = self.end(end.peer());
            if peer.path.is_open() && peer.standing != Standing::Crashed && !is_told {
                self.end(end).life.will_end(back, ErrorKind::Reset.into());
            }
            return Arrival::At(back);
        }
        peer.life.will_hear(at);
        if peer.path.is_open() {
            self.end(end).life.will_hear(back);
        }
        Arrival::At(back)
    }

    /// Both ends are broken off, at once.
    pub(crate) fn break_off(&mut self, now: Instant, after: &mut After) {
        for end in End::BOTH {
            self.end(end).life.end(now, ErrorKind::Reset.into(), Initiator::Peer);
        }
        self.wake_all(after);
    }

    /// Everybody looks again.
    pub(crate) fn wake_all(&mut self, after: &mut After) {
        for end in &mut self.ends {
            for queue in &mut end.queues {
                after.woken.extend(queue.values().cloned());
            }
        }
        for channel in self.streams.values_mut().flat_map(|stream| stream.channels.iter_mut()) {
            after.woken.extend(channel.iter_mut().flat_map(Channel::wakers));
        }
    }

    /// Lets happen, in its order, what has happened by `now`.
    fn advance(&mut self, now: Instant, after: &mut After) {
        let mut has_ended = false;
        loop {
            let next = End::BOTH.map(|end| Some((self.ends[end as usize].life.next()?, end)));
            let next = next.into_iter().flatten().min_by_key(|(event, _)| *event);
            let Some(((at, event), end)) = next.filter(|((at, _), _)| *at <= now) else { break };
            if event == Event::Ping {
                self.tell(end, at);
            }
            self.end(end).life.pass(at, event);
            if self.end(end).life.ended().is_some() {
                has_ended = true;
                if self.end(end).standing == Standing::Known {
                    self.end(end).standing = Standing::Forgotten;
                }
            }
        }
        if has_ended {
            self.wake_all(after);
        }
    }

    /// Sends again what `end` has sent since `since` into a way that was blocked.
    fn resend(&mut self, end: End, since: Instant, now: Instant, after: &mut After) {
        let (own, peer) = (end as usize, end.peer() as usize);
        // Whatever was held has to get through, or nothing of it does.
        let arrival = self.ends[own].path.again(since, now);
        self.note(end, now, arrival);
        let back = self.ends[peer].path.delay();
        let acknowledged = match arrival {
            Arrival::At(at) => Arrival::At(at + back),
            held @ Arrival::Held(_) => held,
        };
        let again = |place: &mut Arrival| {
            if let Arrival::Held(_) = place {
                *place = arrival;
            }
        };
        for stream in self.streams.values_mut() {
            if let Some(channel) = &mut stream.channels[own] {
                for place in channel.chunks.iter_mut().map(|chunk| &mut chunk.arrival) {
                    if let Arrival::Held(_) = place {
                        *place = channel.path.again(since, now);
                    }
                }
                channel.note_last();
                channel.fin.iter_mut().for_each(again);
                channel.reset.iter_mut().for_each(|(_, place)| again(place));
            }
            if let Some(channel) = &mut stream.channels[peer] {
                channel.stop.iter_mut().for_each(|(_, place)| again(place));
                channel.window.resend(arrival);
            }
        }
        self.ends[own].unacknowledged.resend(acknowledged);
        let EndState { window, streams, .. } = &mut self.ends[peer];
        window.resend(arrival);
        streams.iter_mut().for_each(|credit| credit.resend(arrival));
        let ids: Vec<_> = self.streams.keys().copied().collect();
        ids.into_iter().for_each(|id| self.settle(id, now, after));
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("number", &self.number).finish_non_exhaustive()
    }
}
