//! One direction of one stream: what is under way, and what its two ends have done.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::streams::credit::Credit;
use crate::streams::path::{Arrival, Path, sooner};

/// Knows no lock and wakes nobody.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) path: Path,
    pub(crate) chunks: VecDeque<Chunk>,
    pub(crate) writing: Writing,
    pub(crate) reading: Reading,
    /// The writer's end of the stream, on its way.
    pub(crate) fin: Option<Arrival>,
    /// The writer has broken it off with this code.
    pub(crate) reset: Option<(u64, Arrival)>,
    /// The reader wants no more, and says so with this code.
    pub(crate) stop: Option<(u64, Arrival)>,
    /// When the last of what was sent arrives.
    last: Option<Instant>,
    /// How long the last acknowledgement is under way.
    pub(crate) back: Duration,
    /// What the reader's window still takes.
    pub(crate) window: Credit,
    /// Who waits for bytes.
    pub(crate) reader: Option<Waker>,
    /// Who waits for room.
    pub(crate) writer: Option<Waker>,
    /// Who waits for the reader to stop it.
    pub(crate) stopper: Option<Waker>,
}

#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) data: Bytes,
    pub(crate) arrival: Arrival,
}

/// What the writer knows of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Open,
    /// Ended in order.
    Closed,
    /// Broken off here.
    Reset(u64),
    /// Stopped by the reader.
    Stopped(u64),
}

/// What the reader knows of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Open,
    /// Seen to its end.
    Ended,
    /// Broken off by the writer.
    Reset(u64),
    /// Stopped here.
    Stopped(u64),
}

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Found {
    Data(Bytes),
    End,
    Reset(u64),
    Stopped(u64),
    /// Nothing yet; something at this time, if any is under way.
    Nothing(Option<Instant>),
}

impl Channel {
    pub(crate) fn new(path: Path, window: u32) -> Self {
        Self {
            path,
            chunks: VecDeque::new(),
            writing: Writing::Open,
            reading: Reading::Open,
            fin: None,
            reset: None,
            stop: None,
            last: None,
            back: Duration::ZERO,
            window: Credit::new(window.into()),
            reader: None,
            writer: None,
            stopper: None,
        }
    }

    /// When something first comes on it; `None` where that is not known.
    pub(crate) fn first(&self) -> Option<Instant> {
        let front = self.chunks.front().and_then(|chunk| chunk.arrival.at());
        // The end comes behind the data.
        let fin = self.fin.filter(|_| self.chunks.is_empty()).and_then(Arrival::at);
        sooner(sooner(front, fin), self.reset.and_then(|(_, arrival)| arrival.at()))
    }

    /// What has come by `now`.
    pub(crate) fn find(&mut self, now: Instant) -> Found {
        match self.reading {
            Reading::Open => {}
            Reading::Ended => return Found::End,
            Reading::Reset(code) => return Found::Reset(code),
            Reading::Stopped(code) => return Found::Stopped(code),
        }
        if let Some((code, arrival)) = self.reset
            && arrival.is_past(now)
        {
            self.reading = Reading::Reset(code);
            return Found::Reset(code);
        }
        match self.chunks.front() {
            Some(front) if front.arrival.is_past(now) => {
                let chunk = self.chunks.pop_front();
                Found::Data(chunk.map(|chunk| chunk.data).unwrap_or_default())
            }
            None if self.fin.is_some_and(|fin| fin.is_past(now)) => {
                self.reading = Reading::Ended;
                Found::End
            }
            _ => Found::Nothing(self.first()),
        }
    }

    /// Looks whether the reader's stop has come; gives its code, which stays.
    pub(crate) fn stopped(&mut self, now: Instant) -> Option<u64> {
        if let Writing::Stopped(code) = self.writing {
            return Some(code);
        }
        let (code, arrival) = self.stop?;
        if !arrival.is_past(now) {
            return None;
        }
        match self.writing {
            Writing::Open => self.writing = Writing::Stopped(code),
            // Too late: the reader has it all by then.
            Writing::Closed if self.acknowledged().is_some_and(|at| Some(at) <= arrival.at()) => {
                return None;
            }
            _ => {}
        }
        Some(code)
    }

    /// Puts data on its way.
    pub(crate) fn push(&mut self, data: Bytes, arrival: Arrival) {
        self.chunks.push_back(Chunk { data, arrival });
        self.last = self.last.max(arrival.at());
    }

    /// What was held has got an arrival.
    pub(crate) fn note_last(&mut self) {
        let last = self.chunks.iter().filter_map(|chunk| chunk.arrival.at()).max();
        self.last = self.last.max(last);
    }

    /// When the last of a stream that has ended in order arrives; `None` while that is not known.
    pub(crate) fn acknowledged(&self) -> Option<Instant> {
        let is_held = |chunk: &Chunk| chunk.arrival.at().is_none();
        if self.chunks.iter().any(is_held) {
            return None;
        }
        let fin = self.fin?.at()?;
        Some(self.last.map_or(fin, |last| last.max(fin)))
    }

    /// When both ends know that the writer will send no more; `None` while that is not known.
    pub(crate) fn is_over_at(&self, now: Instant) -> Option<Instant> {
        match self.writing {
            // Stopped, it is broken off whether its writer looks or not (RFC 9000 section 3.5).
            Writing::Open => self.stop.and_then(|(_, arrival)| arrival.at()),
            Writing::Closed => self.acknowledged(),
            Writing::Reset(_) => self.reset.and_then(|(_, arrival)| arrival.at()),
            Writing::Stopped(_) => Some(now),
        }
    }

    /// When the reader knows that nothing more comes, and has seen or given up all of it.
    pub(crate) fn is_read_at(&self, now: Instant) -> Option<Instant> {
        match self.reading {
            Reading::Open => None,
            Reading::Ended | Reading::Reset(_) => Some(now),
            // The writer's answer to the stop ends it.
            Reading::Stopped(_) => self.stop.and_then(|(_, arrival)| arrival.at()),
        }
    }

    /// Gives what is under way, and how many bytes that is.
    pub(crate) fn clear(&mut self) -> (VecDeque<Chunk>, usize) {
        let chunks = std::mem::take(&mut self.chunks);
        let length = chunks.iter().map(|chunk| chunk.data.len()).sum();
        (chunks, length)
    }

    /// Everybody who waits on it.
    pub(crate) fn wakers(&mut self) -> impl Iterator<Item = Waker> {
        [self.reader.take(), self.writer.take(), self.stopper.take()].into_iter().flatten()
    }
}
