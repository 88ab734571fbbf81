//! A statement of the contract and the test that judges it.

use std::sync::Arc;

use dipole_net::BoxFuture;

use crate::{Subject, byte_stream, dialer, listener};

/// One statement of the contract: its id, its sentence, and the test that judges it.
#[derive(Clone, Copy)]
pub struct Case {
    /// The statement's id, such as `B13`.
    pub id: &'static str,
    /// The statement, one sentence.
    pub sentence: &'static str,
    /// Judges a library by it. Runs alone, on a tokio runtime with time enabled.
    pub(crate) run: fn(Arc<Subject>) -> BoxFuture<'static, Outcome>,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The statement holds.
    Passed,
    /// It does not: what was expected and what was seen.
    Failed(String),
    /// The library declares that it lacks what the statement is about: which capability.
    NotApplicable(String),
}

/// Every case, in the order of the contract.
#[must_use]
pub fn cases() -> Vec<Case> {
    [byte_stream::CASES, dialer::CASES, listener::CASES].concat()
}
