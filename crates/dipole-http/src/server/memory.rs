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
    use crate::h1::codec::encode::{Framing, OwnFields, Persistence};

    #[test]
    fn who_finds_it_in_use_has_an_empty_one_with_a_date() {
        let (shared, now, none) = (SharedMemory::new(4), Instant::now(), HeaderMap::new());
        let is_known = |memory: &mut Memory| {
            let date = *memory.date.line(now);
            assert!(date.starts_with(b"date: ") && date.ends_with(b" GMT\r\n"));
            memory.answers.find(StatusCode::OK, &none, &date).is_some()
        };
        // What comes twice is remembered.
        for _ in 0..2 {
            shared.with(|Memory { date, answers, .. }| {
                let start = [b"HTTP/1.1 200 OK\r\n", &date.line(now)[..]].concat();
                let text = [&start[..], b"\r\n"].concat();
                let end = (Framing::Unsaid, Persistence::Unsaid);
                let own = OwnFields::of(&none);
                answers.note(StatusCode::OK, &none, own, (&text, start.len()), end);
            });
        }
        shared.with(|memory| {
            assert!(is_known(memory));
            assert!(!shared.with(is_known), "it is in use");
            assert!(is_known(memory));
        });
        assert!(shared.with(is_known));
    }
}
