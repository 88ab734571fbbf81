//! One direction of a connection: what is under way.

use std::collections::VecDeque;
use std::mem::take;
use std::task::Waker;

use bytes::Bytes;
use tokio::time::Instant;

use crate::Config;
use crate::faults::{Fate, Faults};
use crate::input::Input;
use crate::output::Output;

/// Chunks under way, oldest first. Knows no lock and wakes nobody.
#[derive(Debug)]
pub(crate) struct Pipe {
    chunks: VecDeque<Chunk>,
    len: usize,
    end: End,
    faults: Option<Box<Faults>>,
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
    /// When it can be read; `None` is at once.
    due: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// The writer may send more.
    Open,
    /// The writer has ended it, to be seen at this time.
    Finished { due: Option<Instant> },
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
    pub(crate) fn new(config: &Config, faults: Option<Box<Faults>>) -> Self {
        Self {
            chunks: VecDeque::new(),
            len: 0,
            end: End::Open,
            faults,
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
        let mut now = None;
        while output.len() > 0 {
            let room = self.capacity.saturating_sub(self.len);
            if room == 0 || self.chunks.len() >= self.chunk_capacity {
                return Sent::Waits;
            }
            let mut length = output.piece_len().min(room);
            let mut due = None;
            if let Some(faults) = &mut self.faults {
                length = faults.cut(length);
                due = match faults.fate() {
                    Fate::Breaks => return Sent::Broke,
                    Fate::Arrives(None) => None,
                    Fate::Arrives(Some(delay)) => {
                        now.get_or_insert_with(Instant::now).checked_add(delay)
                    }
                };
            }
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
            let due = delay.and_then(|delay| Instant::now().checked_add(delay));
            self.end = End::Finished { due };
        }
    }

    /// The reader has gone: gives what was under way, to be dropped outside any lock.
    pub(crate) fn leave_unread(&mut self) -> VecDeque<Chunk> {
        self.end = End::Unread;
        self.len = 0;
        take(&mut self.chunks)
    }

    /// Moves to `input`, which holds fewer than `n` bytes, what is due.
    pub(crate) fn take(&mut self, input: &mut Input, n: usize) -> Taken {
        let mut room = (n - input.len()).max(self.read_size);
        let whole_chunks = self.faults.as_ref().is_some_and(|faults| faults.cuts());
        let mut now = None;
        let mut is_due = |due: Option<Instant>| {
            due.is_none_or(|due| due <= *now.get_or_insert_with(Instant::now))
        };
        let mut waits_for = None;
        while let Some(chunk) = self.chunks.front_mut() {
            if !is_due(chunk.due) {
                waits_for = chunk.due;
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
                if is_due(due) {
                    Taken::Eof
                } else {
                    Taken::Waits(due)
                }
            }
            _ => Taken::Waits(waits_for),
        }
    }
}
