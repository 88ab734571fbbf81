//! One direction of a connection: what is under way.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::faults::{Fate, Faults};
use crate::input::Input;
use crate::output::Output;
use crate::wire::{Passage, Wire, next_attempt};
use crate::{Config, Loss};

/// Chunks under way, oldest first. Knows no lock and wakes nobody.
#[derive(Debug)]
pub(crate) struct Pipe {
    chunks: VecDeque<Chunk>,
    len: usize,
    end: End,
    faults: Option<Box<Faults>>,
    /// The way that the chunks go.
    wire: Arc<Wire>,
    bandwidth: Option<u64>,
    loss: Loss,
    /// When the first of what waits for the way to open was sent.
    held_since: Option<Instant>,
    capacity: usize,
    chunk_capacity: usize,
    read_size: usize,
    /// Who waits for bytes.
    pub(crate) reader: Option<Waker>,
    /// Who waits for room.
    pub(crate) writer: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Chunk {
    data: Bytes,
    due: Due,
}

/// When something under way can be read.
#[derive(Debug, Clone, Copy)]
enum Due {
    Now,
    At(Instant),
    /// Not before the way is open again; sent at this time for the first time.
    Held(Instant),
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// The writer may send more.
    Open,
    /// The writer has ended it, to be seen then.
    Finished { due: Due },
    /// The reader has gone.
    Unread,
}

/// How a send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Everything is under way.
    All,
    /// There is no room for the rest.
    Waits,
    /// The reader has gone.
    Unread,
    /// A fault broke the connection off.
    Broke,
    /// Nothing arrives any more, and the sender has given up.
    GivenUp,
}

/// What a reader found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// As many bytes as were asked for.
    Enough,
    /// The end, and less than was asked for.
    Eof,
    /// Less than was asked for; more is due at this time, if any is under way.
    Waits(Option<Instant>),
    /// The connection was broken off.
    Reset,
}

/// An emptied queue of chunks this long or shorter keeps its memory.
const KEEP_CHUNKS: usize = 32;

impl Pipe {
    pub(crate) fn new(config: &Config, faults: Option<Box<Faults>>, wire: Arc<Wire>) -> Self {
        Self {
            chunks: VecDeque::new(),
            len: 0,
            end: End::Open,
            faults,
            wire,
            bandwidth: config.bandwidth,
            loss: config.loss.clone(),
            held_since: None,
            capacity: config.capacity.max(1),
            chunk_capacity: config.chunk_capacity.max(1),
            read_size: config.read_size.max(1),
            reader: None,
            writer: None,
        }
    }

    /// Bytes under way.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Sends of `output` what there is room for.
    pub(crate) fn send(&mut self, output: &mut Output) -> Sent {
        if let End::Unread = self.end {
            return Sent::Unread;
        }
        let mut clock = Clock::default();
        while output.len() > 0 {
            let room = self.capacity.saturating_sub(self.len);
            if room == 0 || self.chunks.len() >= self.chunk_capacity {
                return Sent::Waits;
            }
            let mut length = output.piece_len().min(room);
            let mut delay = None;
            if let Some(faults) = &mut self.faults {
                length = faults.cut(length);
                delay = match faults.fate(length) {
                    Fate::Breaks => return Sent::Broke,
                    Fate::GivenUp => return Sent::GivenUp,
                    Fate::Arrives(delay) => delay,
                };
            }
            let due = self.due(delay, length, &mut clock);
            self.note_held(due);
            self.chunks.push_back(Chunk { data: output.take(length), due });
            self.len += length;
        }
        Sent::All
    }

    /// Ends the direction behind what is under way.
    pub(crate) fn finish(&mut self) {
        if let End::Open = self.end {
            let delay = self.faults.as_mut().map(|faults| faults.delay());
            let delay = delay.filter(|delay| !delay.is_zero());
            let due = self.due(delay, 0, &mut Clock::default());
            self.note_held(due);
            self.end = End::Finished { due };
        }
    }

    /// The way that the chunks go.
    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// The way is open again: says when what was held arrives.
    pub(crate) fn resend(&mut self) {
        self.held_since = None;
        let mut clock = Clock::default();
        let resend_after = self.loss.resend_after;
        let faults = &mut self.faults;
        let mut delay = || faults.as_mut().map(|faults| faults.delay()).unwrap_or_default();
        let ends = match &mut self.end {
            End::Finished { due } => Some(due),
            _ => None,
        };
        for due in self.chunks.iter_mut().map(|chunk| &mut chunk.due).chain(ends) {
            if let Due::Held(sent) = *due {
                *due = Due::At(next_attempt(sent, clock.now(), resend_after) + delay());
            }
        }
    }

    /// What is held will never be sent again: gives it, to be dropped outside any lock.
    pub(crate) fn forget_held(&mut self) -> Vec<Chunk> {
        let held = |chunk: &Chunk| matches!(chunk.due, Due::Held(_));
        // A held chunk is behind all that arrive.
        let first = self.chunks.iter().position(held).unwrap_or(self.chunks.len());
        let forgotten: Vec<_> = self.chunks.drain(first..).collect();
        self.len -= forgotten.iter().map(|chunk| chunk.data.len()).sum::<usize>();
        self.only_the_end_is_held();
        forgotten
    }

    /// True when something waits for the way to open.
    pub(crate) fn holds(&self) -> bool {
        self.gives_up_at().is_some()
    }

    /// When the sender gives up; `None` while everything gets through.
    pub(crate) fn gives_up_at(&self) -> Option<Instant> {
        self.held_since?.checked_add(self.loss.give_up_after)
    }

    /// Kept beside the chunks, for it is asked for with each of them.
    fn note_held(&mut self, due: Due) {
        if let Due::Held(sent) = due {
            self.held_since.get_or_insert(sent);
        }
    }

    /// The chunks that were held are gone.
    fn only_the_end_is_held(&mut self) {
        self.held_since = match self.end {
            End::Finished { due: Due::Held(sent) } => Some(sent),
            _ => None,
        };
    }

    /// When something of `length` bytes that is sent now and is under way for `delay` arrives.
    fn due(&self, delay: Option<Duration>, length: usize, clock: &mut Clock) -> Due {
        if self.wire.passage() == Passage::Blocked {
            return Due::Held(clock.now());
        }
        let leaves = self.bandwidth.map(|bandwidth| {
            let now = clock.now();
            self.wire.departure(now, length, bandwidth)
        });
        let after = match (delay, leaves) {
            (None, None) => return Due::Now,
            (delay, leaves) => delay.unwrap_or_default().saturating_add(leaves.unwrap_or_default()),
        };
        clock.now().checked_add(after).map_or(Due::Now, Due::At)
    }

    /// The reader has gone: gives what was under way, to be dropped outside any lock.
    pub(crate) fn leave_unread(&mut self) -> VecDeque<Chunk> {
        self.end = End::Unread;
        self.clear()
    }

    /// Gives what is under way, to be dropped outside any lock. The writer does not learn of it.
    pub(crate) fn clear(&mut self) -> VecDeque<Chunk> {
        self.len = 0;
        self.only_the_end_is_held();
        take(&mut self.chunks)
    }

    /// Moves to `input`, which holds fewer than `n` bytes, what is due.
    pub(crate) fn take(&mut self, input: &mut Input, n: usize) -> Taken {
        let mut room = (n - input.len()).max(self.read_size);
        let whole_chunks = self.faults.as_ref().is_some_and(|faults| faults.cuts());
        let mut clock = Clock::default();
        let mut waits_for = None;
        while let Some(chunk) = self.chunks.front_mut() {
            if !chunk.due.is_past(&mut clock) {
                waits_for = chunk.due.at();
                break;
            }
            if input.len() >= n && (whole_chunks || room == 0) {
                break;
            }
            let data = if whole_chunks || chunk.data.len() <= room {
                let data = take(&mut chunk.data);
                self.chunks.pop_front();
                data
            } else {
                chunk.data.split_to(room)
            };
            room = room.saturating_sub(data.len());
            self.len -= data.len();
            input.push(data);
        }
        if self.chunks.is_empty() && self.chunks.capacity() > KEEP_CHUNKS {
            self.chunks = VecDeque::new();
        }
        if input.len() >= n {
            return Taken::Enough;
        }
        match self.end {
            End::Finished { due } if self.chunks.is_empty() => {
                if due.is_past(&mut clock) {
                    Taken::Eof
                } else {
                    Taken::Waits(due.at())
                }
            }
            _ => Taken::Waits(waits_for),
        }
    }
}

impl Due {
    fn is_past(self, clock: &mut Clock) -> bool {
        match self {
            Self::Now => true,
            Self::At(at) => at <= clock.now(),
            Self::Held(_) => false,
        }
    }

    /// When it is; `None` where that is not known.
    fn at(self) -> Option<Instant> {
        match self {
            Self::At(at) => Some(at),
            Self::Now | Self::Held(_) => None,
        }
    }
}

/// The time of one call, looked at when it is first asked for.
#[derive(Debug, Default)]
struct Clock(Option<Instant>);

impl Clock {
    fn now(&mut self) -> Instant {
        *self.0.get_or_insert_with(Instant::now)
    }
}
