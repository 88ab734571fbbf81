//! The kit as a test program: one test for each statement.

use std::process::ExitCode;
use std::sync::Arc;

use crate::{Case, Status, Subject, cases};

/// The clock that a library is judged under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's.
    Real,
    /// Moves on when nothing else is to do: simulated libraries live in virtual time.
    Paused,
}

/// The `main` of a test program with `harness = false`: each statement is one test, named by its id
/// and judged alone, one after the other. `subject` is called inside the runtime.
///
/// It takes the arguments that `cargo test` gives: a filter (`B13`, `B` for a group, any part of
/// a sentence; `--exact` for one id), `--list`; others are ignored.
///
/// ```no_run
/// use std::process::ExitCode;
/// use std::sync::Arc;
///
/// use dipole_conformance::{Clock, Subject};
/// use dipole_sim::Network;
///
/// fn main() -> ExitCode {
///     dipole_conformance::main(Clock::Paused, || {
///         let network = Network::default();
///         Subject {
///             name: "sim".into(),
///             transport: Arc::new(network.clone()),
///             dialer: Arc::new(network),
///             addresses: vec!["sim:alpha:0".parse().expect("an address")],
///             host: None,
///             tls: None,
///         }
///     })
/// }
/// ```
///
/// # Panics
/// When no runtime can be made.
pub fn main(clock: Clock, subject: impl FnOnce() -> Subject) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let chosen: Vec<Case> =
        cases().into_iter().filter(|case| is_chosen(case, &arguments)).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        chosen.iter().for_each(|case| println!("{}: test", case.id));
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--ignored") {
        return ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(clock == Clock::Paused)
        .build()
        .expect("a runtime of this thread");
    println!("\nrunning {} tests", chosen.len());
    let failed = runtime.block_on(judge_each(&chosen, Arc::new(subject())));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints as the standard harness does; gives how many have failed.
async fn judge_each(chosen: &[Case], subject: Arc<Subject>) -> usize {
    let (mut passed, mut ignored, mut failures) = (0, 0, Vec::new());
    for case in chosen {
        let report = case.judge(&subject).await;
        let ended = match report.status {
            Status::Passed => {
                passed += 1;
                "ok".to_owned()
            }
            Status::Failed => "FAILED".to_owned(),
            Status::NotApplicable => {
                ignored += 1;
                format!("ignored, it lacks: {}", report.detail)
            }
        };
        println!("test {} ... {ended}", case.id);
        if report.status == Status::Failed {
            failures.push(report);
        }
    }
    if !failures.is_empty() {
        println!("\nfailures:\n");
        failures.iter().for_each(|report| print!("{}", report.lines()));
    }
    let (word, failed) = (if failures.is_empty() { "ok" } else { "FAILED" }, failures.len());
    println!("\ntest result: {word}. {passed} passed; {failed} failed; {ignored} ignored\n");
    failed
}

fn is_chosen(case: &Case, arguments: &[String]) -> bool {
    let exact = arguments.iter().any(|argument| argument == "--exact");
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    if filters.peek().is_none() {
        return true;
    }
    filters.any(|filter| {
        let is_id = case.id.eq_ignore_ascii_case(filter);
        let is_group = filter.len() == 1 && case.id.starts_with(filter.as_str());
        is_id || !exact && (is_group || filter.len() > 3 && case.sentence.contains(filter.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose_by_id_group_and_words() {
        let count = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|text| (*text).to_owned()).collect();
            cases().iter().filter(|case| is_chosen(case, &arguments)).count()
        };
        assert_eq!(count(&["b1"]), 1);
        assert_eq!(count(&["B"]), 54);
        assert_eq!(count(&["B1", "B2", "--nocapture"]), 2);
        assert!(count(&["descriptor"]) > 1);
        assert_eq!(count(&["--exact", "descriptor"]), 0);
        assert_eq!(count(&[]), cases().len());
    }
}
