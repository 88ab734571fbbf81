//! What the kit found, as a table and as JSON.

use serde::Serialize;

/// How a case ended, as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The statement holds.
    Passed,
    /// It does not.
    Failed,
    /// It does not concern this library.
    NotApplicable,
}

/// One case of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseReport {
    /// The statement's id.
    pub id: String,
    /// The statement.
    pub sentence: String,
    /// How it ended.
    pub status: Status,
    /// Why, unless it passed.
    pub detail: String,
}

/// What the kit found about one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The library's name.
    pub network: String,
    /// Its cases, in the order of the contract.
    pub cases: Vec<CaseReport>,
}
