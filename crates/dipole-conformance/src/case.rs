//! A statement of the contract and the test that judges it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::BoxFuture;
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::{CaseReport, Status, Subject, byte_stream, dialer, listener, stream};

/// The longest that one case may take, on tokio's clock.
const LIMIT: Duration = Duration::from_secs(60);

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
    [byte_stream::cases(), stream::cases(), dialer::CASES.to_vec(), listener::CASES.to_vec()]
        .concat()
}

impl Case {
    /// Judges `subject` by this statement alone. A panic is a failure, and so is a case that has
    /// not ended after 60 seconds.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time enabled.
    pub async fn judge(&self, subject: &Arc<Subject>) -> CaseReport {
        let streams = subject.transport.capabilities().streams;
        let run = match (self.id.as_bytes(), streams) {
            ([b'B', ..], true) => not_applicable("byte streams"),
            ([b'S', ..], false) => not_applicable("streams"),
            _ => (self.run)(Arc::clone(subject)),
        };
        let mut task = tokio::spawn(run);
        let outcome = match timeout(LIMIT, &mut task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Failed(panic_text(error)),
            Err(_) => {
                task.abort();
                // Waited for, so that what it held is gone before the next case begins.
                drop(task.await);
                Outcome::Failed(format!("did not end within {LIMIT:?}"))
            }
        };
        let (status, detail) = match outcome {
            Outcome::Passed => (Status::Passed, String::new()),
            Outcome::Failed(text) => (Status::Failed, text),
            Outcome::NotApplicable(capability) => (Status::NotApplicable, capability),
        };
        CaseReport { id: self.id.into(), sentence: self.sentence.into(), status, detail }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.id).finish()
    }
}

fn not_applicable(capability: &'static str) -> BoxFuture<'static, Outcome> {
    Box::pin(async { Outcome::NotApplicable(capability.into()) })
}

fn panic_text(error: JoinError) -> String {
    let payload = match error.try_into_panic() {
        Ok(payload) => payload,
        Err(error) => return format!("was stopped: {error}"),
    };
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a text"))
}
