//! The whole kit in one call.

use std::fmt;
use std::sync::Arc;

use crate::{Case, CaseReport, Report, Subject, cases};

/// What a library under TLS is judged by ([`Subject::under_tls`]), for [`judge`]: as a byte stream,
/// and the statements about a server that handshakes bear on. The others are about listening and
/// dialling, which TLS leaves to the library.
pub const UNDER_TLS: &str = "B,L8,L9,L11,L12";

/// Judges a library by every statement about its kind of connection, byte streams (B) or many
/// streams (S), about dialling (D) and about the life cycle (L); or by those that `only` names: ids
/// such as `B13` and letters for whole groups, between commas. `progress` sees each case as it ends.
///
/// The cases run one after the other on the caller's runtime, which needs time enabled, and under
/// a paused clock (`start_paused`) where the library is simulated. Nothing else should run in the
/// process meanwhile: descriptors and memory are counted. What is sent has to arrive within some
/// milliseconds: a simulated network with more latency fails cases for their time alone.
///
/// # Errors
/// `UnknownCase` when `only` names no case.
///
/// # Panics
/// Outside of a tokio runtime with time enabled.
pub async fn judge(
    subject: Subject,
    only: Option<&str>,
    mut progress: impl FnMut(&CaseReport),
) -> Result<Report, UnknownCase> {
    let other_kind = if subject.transport.capabilities().streams { 'B' } else { 'S' };
    let mut chosen = choose(only)?;
    if only.is_none() {
        chosen.retain(|case| !case.id.starts_with(other_kind));
    }
    let subject = Arc::new(subject);
    let mut reports = Vec::with_capacity(chosen.len());
    for case in chosen {
        let report = case.judge(&subject).await;
        progress(&report);
        reports.push(report);
    }
    Ok(Report { network: subject.name.clone(), cases: reports })
}

/// There is no case of that id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCase {
    id: String,
    near: Vec<&'static str>,
}

impl fmt::Display for UnknownCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no case {:?}; near it are {}", self.id, self.near.join(", "))
    }
}

impl std::error::Error for UnknownCase {}

fn choose(only: Option<&str>) -> Result<Vec<Case>, UnknownCase> {
    let all = cases();
    let Some(only) = only else { return Ok(all) };
    let ids: Vec<_> = only.split(',').map(str::trim).collect();
    for id in &ids {
        if !all.iter().any(|case| is_named(case, id)) {
            return Err(UnknownCase { id: (*id).into(), near: near(&all, id) });
        }
    }
    let is_chosen = |case: &Case| ids.iter().any(|id| is_named(case, id));
    Ok(all.into_iter().filter(is_chosen).collect())
}

fn is_named(case: &Case, id: &str) -> bool {
    let (group, _) = case.id.split_at(1);
    case.id.eq_ignore_ascii_case(id) || group.eq_ignore_ascii_case(id)
}

/// The ids of the same group whose numbers are nearest; the first of each group where it names
/// none.
fn near(all: &[Case], id: &str) -> Vec<&'static str> {
    let number = |id: &str| id.get(1..).and_then(|digits| digits.parse::<i64>().ok());
    let same_group = |case: &&Case| {
        let (group, _) = case.id.split_at(1);
        id.get(..1).is_some_and(|letter| letter.eq_ignore_ascii_case(group))
    };
    let mut near: Vec<_> = all.iter().filter(same_group).map(|case| case.id).collect();
    match number(id) {
        _ if near.is_empty() => {
            near = all.iter().map(|case| case.id).filter(|id| number(id) == Some(1)).collect();
        }
        Some(wanted) => near.sort_by_key(|id| number(id).map(|number| (number - wanted).abs())),
        None => {}
    }
    near.truncate(5);
    near
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_in_order() {
        let all = cases();
        let ids: HashSet<_> = all.iter().map(|case| case.id).collect();
        assert_eq!(ids.len(), all.len());
        let statements: Vec<_> =
            all.iter().map(|case| case.id).filter(|id| id.starts_with('B')).collect();
        let expected: Vec<_> = (1..=54).map(|number| format!("B{number}")).collect();
        assert_eq!(statements, expected);
        let statements: Vec<_> =
            all.iter().map(|case| case.id).filter(|id| id.starts_with('S')).collect();
        let expected: Vec<_> = (1..=34).map(|number| format!("S{number}")).collect();
        assert_eq!(statements, expected);
    }

    #[test]
    fn one_id_or_a_letter_chooses() {
        let chosen = |only| choose(Some(only)).map(|cases| cases.len());
        assert_eq!(chosen("B13"), Ok(1));
        assert_eq!(chosen("b13"), Ok(1));
        assert_eq!(chosen("B"), Ok(54));
        assert_eq!(chosen("B, L8,b1"), Ok(55));
        assert_eq!(chosen(UNDER_TLS), Ok(58));
    }

    #[test]
    fn an_unknown_id_names_near_ones() {
        let error = choose(Some("B55")).expect_err("there is no B55");
        assert!(error.to_string().contains("B54, B53"), "{error}");
        let error = choose(Some("x")).expect_err("there is no x");
        assert!(error.to_string().contains("B1"), "{error}");
        assert!(choose(Some("")).is_err());
        assert!(choose(Some("é")).is_err());
    }
}
