//! What a worker remembers from one request to the next.

use try_lock::TryLock;

use super::date::Date;
use crate::h1::codec::answer_memo::AnswerMemo;
use crate::h1::codec::memo::HeadMemo;

/// Heads that repeat, and the date of this second: they save work, and decide nothing.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) heads: HeadMemo,
    pub(crate) answers: AnswerMemo,
    pub(crate) date: Date,
}

impl Memory {
    /// Remembers up to so many heads of requests, and of answers.
    fn new(heads: usize) -> Self {
        Self { heads: HeadMemo::new(heads), answers: AnswerMemo::new(heads), date: Date::default() }
    }
}

/// The memory that a worker's connections share.
///
/// They run on one thread, mostly, so nobody waits for it: whoever finds it in use does without.
/// That costs one locked instruction, where a lock that can be waited for costs two.
#[derive(Debug)]
pub(super) struct SharedMemory(TryLock<Memory>);

impl SharedMemory {
    /// Remembers up to so many heads of requests, and of answers.
    pub(super) fn new(heads: usize) -> Self {
        Self(TryLock::new(Memory::new(heads)))
    }

    /// Does `work` with it, or with an empty one.
    #[inline(always)]
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Memory) -> R) -> R {
        let (mut shared, mut empty) = (self.0.try_lock(), None);
        work(match &mut shared {
            Some(memory) => memory,
            None => empty.insert(none()),
        })
    }
}

#[cold]
fn none() -> Memory {
    Memory::new(0)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn who_finds_it_in_use_has_an_empty_one_with_the_same_date() {
        let (shared, now) = (SharedMemory::new(4), Instant::now());
        let dates = shared.with(|first| {
            let date = *first.date.line(now);
            let slots = first.answers.find(StatusCode::OK, &HeaderMap::new(), &date).is_some();
            assert!(!slots);
            (date, shared.with(|second| *second.date.line(now)))
        });
        // It may have become the next second's in between, and no more.
        for date in [dates.0, dates.1] {
            assert!(date.starts_with(b"date: ") && date.ends_with(b" GMT\r\n"));
        }
    }
}
