//! One end of a connection: its streams, its credit, its end.
//!
//! Nothing here waits, sends or looks at a clock. The calls of the streams' halves are in `halves`,
//! what comes from the peer is in `arriving`, what goes to it in `leaving`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::Waker;

use dipole_net::{Error, ErrorKind, Initiator, Result, StreamOptions};

use crate::frame::{Close, Hello, Kind};
use crate::stream::{Receiving, Sending, StreamState};

/// Which end this one is; so is the last bit of the numbers of its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Dialer = 0,
    Listener = 1,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) end: End,
    /// What this end allows.
    pub(crate) own: Hello,
    /// What the peer allows.
    pub(crate) peer: Hello,
    /// Bytes that all streams together may hold to be sent.
    send_window: u64,
    pub(crate) streams: BTreeMap<u64, StreamState>,
    /// Streams that each end has opened so far, by kind.
    pub(crate) opened: [u64; 2],
    pub(crate) seen: [u64; 2],
    /// Streams that each end may open in all, by kind.
    pub(crate) may_open: [u64; 2],
    pub(crate) may_see: [u64; 2],
    /// Credit for streams that is to be told.
    pub(crate) returned: [u64; 2],
    /// Streams on which something has come, by kind; as many as the peer may open at most.
    pub(crate) unaccepted: [VecDeque<u64>; 2],
    /// Credit of the connection that is left for sending, in bytes.
    pub(crate) credit: u64,
    /// What the streams hold to be sent, in bytes.
    pub(crate) held: u64,
    /// Streams whose writers wait for either of these.
    pub(crate) blocked: BTreeSet<u64>,
    /// What the peer may still send on all streams, in bytes, and what it gets back.
    pub(crate) window: u64,
    pub(crate) taken: u64,
    /// Streams that have something to say, in turn.
    pub(crate) speakers: VecDeque<u64>,
    pub(crate) pings: bool,
    pub(crate) pongs: bool,
    pub(crate) ended: Option<Error>,
    /// What is to be told of the end.
    pub(crate) farewell: Option<Close>,
    /// Moved so far, in bytes.
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// The connection's task.
    pub(crate) driver: Option<Waker>,
}

/// Who is to look again, once the lock is open.
#[derive(Debug, Default)]
pub(crate) struct Woken {
    pub(crate) wakers: Vec<Waker>,
    pub(crate) queues: [bool; 5],
}

/// What calls of the connection wait in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Accept(Kind),
    Open(Kind),
    Closed,
}

impl Queue {
    pub(crate) const ALL: [Self; 5] = [
        Self::Accept(Kind::Bidi),
        Self::Accept(Kind::Uni),
        Self::Open(Kind::Bidi),
        Self::Open(Kind::Uni),
        Self::Closed,
    ];

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Accept(kind) => kind as usize,
            Self::Open(kind) => 2 + kind as usize,
            Self::Closed => 4,
        }
    }
}

/// The code of every protocol error of this library.
pub(crate) const VIOLATION: u64 = 1;

pub(crate) fn kind(id: u64) -> Kind {
    if id & 2 == 0 { Kind::Bidi } else { Kind::Uni }
}

/// What this end allows, under these options.
pub(crate) fn allowed(options: &StreamOptions) -> Hello {
    let idle = options.idle_timeout.map_or(0, |idle| idle.as_millis().clamp(1, 1 << 50) as u64);
    Hello {
        streams: [options.streams, options.uni_streams],
        stream_window: options.stream_window,
        connection_window: options.connection_window,
        idle,
    }
}

impl State {
    pub(crate) fn new(end: End, own: Hello, peer: Hello, send_window: u32) -> Self {
        Self {
            end,
            own,
            peer,
            send_window: u64::from(send_window.max(1)),
            streams: BTreeMap::new(),
            opened: [0; 2],
            seen: [0; 2],
            may_open: peer.streams.map(u64::from),
            may_see: own.streams.map(u64::from),
            returned: [0; 2],
            unaccepted: [VecDeque::new(), VecDeque::new()],
            credit: u64::from(peer.connection_window),
            held: 0,
            blocked: BTreeSet::new(),
            window: u64::from(own.connection_window),
            taken: 0,
            speakers: VecDeque::new(),
            pings: false,
            pongs: false,
            ended: None,
            farewell: None,
            received: 0,
            sent: 0,
            driver: None,
        }
    }

    pub(crate) fn is_own(&self, id: u64) -> bool {
        id & 1 == self.end as u64
    }

    /// Opens a stream; `None` without credit.
    pub(crate) fn open(&mut self, kind: Kind) -> Option<Result<u64>> {
        if let Some(error) = &self.ended {
            return Some(Err(error.clone()));
        }
        let number = self.opened[kind as usize];
        if number >= self.may_open[kind as usize] {
            return None;
        }
        self.opened[kind as usize] += 1;
        let id = number << 2 | (kind as u64) << 1 | self.end as u64;
        let send = Some(Sending::new(u64::from(self.peer.stream_window)));
        let receive = self.receiving(kind == Kind::Bidi);
        self.streams.insert(id, StreamState::new(send, receive, true));
        Some(Ok(id))
    }

    /// A stream that the peer has opened.
    pub(crate) fn see(&mut self, id: u64) {
        let is_bidi = kind(id) == Kind::Bidi;
        let send = is_bidi.then(|| Sending::new(u64::from(self.peer.stream_window)));
        let receive = self.receiving(true);
        self.streams.insert(id, StreamState::new(send, receive, false));
    }

    fn receiving(&self, is_there: bool) -> Option<Receiving> {
        is_there.then(|| Receiving::new(u64::from(self.own.stream_window)))
    }

    /// The next stream on which something has come; `None` when there is none.
    pub(crate) fn accept(&mut self, kind: Kind, woken: &mut Woken) -> Option<Result<u64>> {
        if let Some(error) = &self.ended {
            return Some(Err(error.clone()));
        }
        let id = self.unaccepted[kind as usize].pop_front()?;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.is_taken = true;
        }
        self.settle(id, woken);
        Some(Ok(id))
    }

    /// How many of `length` bytes the connection takes now.
    pub(crate) fn room(&self, length: usize) -> u64 {
        let room = self.credit.min(self.send_window.saturating_sub(self.held));
        room.min(length as u64)
    }

    /// Bytes that were to be sent have been given to the connection, or given up.
    pub(crate) fn unhold(&mut self, length: usize, woken: &mut Woken) {
        self.held = self.held.saturating_sub(length as u64);
        if self.held <= self.send_window / 2 {
            self.unblock(woken);
        }
    }

    /// Everybody who waits to write looks again.
    pub(crate) fn unblock(&mut self, woken: &mut Woken) {
        for id in std::mem::take(&mut self.blocked) {
            let stream = self.streams.get_mut(&id).and_then(|stream| stream.send.as_mut());
            woken.wakers.extend(stream.and_then(|half| half.writer.take()));
        }
    }

    /// Bytes of the peer's have been read or given up: it gets credit for them.
    pub(crate) fn take(&mut self, length: usize, woken: &mut Woken) {
        self.taken += length as u64;
        if self.returns() {
            woken.wakers.extend(self.driver.take());
        }
    }

    /// Enough has been taken for a word about credit.
    pub(crate) fn returns(&self) -> bool {
        self.taken >= u64::from(self.own.connection_window / 2).max(1)
    }

    /// After a change of a stream: it gets its turn, its opener its credit; what is over, and nobody
    /// holds, is forgotten.
    pub(crate) fn settle(&mut self, id: u64, woken: &mut Woken) {
        let is_own = self.is_own(id);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let window = u64::from(self.own.stream_window);
        if !stream.is_queued && stream.has_something_to_say(window) {
            stream.is_queued = true;
            self.speakers.push_back(id);
            woken.wakers.extend(self.driver.take());
        }
        if !is_own && stream.is_taken && !stream.is_returned && stream.is_over() {
            stream.is_returned = true;
            self.returned[kind(id) as usize] += 1;
            woken.wakers.extend(self.driver.take());
        }
        if stream.is_forgotten() {
            self.streams.remove(&id);
            self.blocked.remove(&id);
        }
    }

    /// Ends the connection; the first end counts. The peer is told `farewell`.
    pub(crate) fn end(&mut self, error: Error, farewell: Option<Close>, woken: &mut Woken) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(error);
        self.farewell = farewell;
        woken.queues = [true; 5];
        woken.wakers.extend(self.streams.values_mut().flat_map(StreamState::wakers));
        woken.wakers.extend(self.driver.take());
    }

    /// The peer has broken the protocol.
    pub(crate) fn end_for_violation(&mut self, what: &'static str, woken: &mut Woken) {
        let kind = ErrorKind::Protocol { code: VIOLATION, by: Initiator::Local };
        self.end(Error::with_message(kind, what), Some(Close::Violation), woken);
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
