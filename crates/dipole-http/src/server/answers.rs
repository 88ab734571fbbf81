//! What the answers of a worker have alike.

use tokio::time::Instant;

use super::date::Date;
use crate::h1::codec::answer_memo::AnswerMemo;

/// The date of a worker's answers, and what is remembered of their heads.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) date: Date,
    pub(crate) memo: AnswerMemo,
}

impl Answers {
    /// Remembers the starts of up to `heads` heads.
    pub(super) fn new(heads: usize, now: Instant) -> Self {
        Self { date: Date::at(now), memo: AnswerMemo::new(heads) }
    }
}
