//! What the kit found, as a table and as JSON.

use std::fmt::Write as _;

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

impl Status {
    /// The status in words: `passed`, `failed`, `not applicable`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotApplicable => "not applicable",
        }
    }
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

impl CaseReport {
    /// Its lines of [`Report::table`]: one, and one more for the detail where there is one.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = format!("{:<4} {:<14} {}\n", self.id, self.status.words(), self.sentence);
        match self.status {
            Status::Passed => {}
            Status::Failed => _ = writeln!(lines, "     -> {}", self.detail),
            Status::NotApplicable => _ = writeln!(lines, "     -> it lacks: {}", self.detail),
        }
        lines
    }
}

/// What the kit found about one library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The library's name.
    pub network: String,
    /// Its cases, in the order of the contract.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// For a terminal: a line a case with its id, status and sentence, the detail under it where
    /// it did not pass, and a closing line with the counts.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table: String = self.cases.iter().map(CaseReport::lines).collect();
        table.push_str(&self.summary());
        table.push('\n');
        table
    }

    /// The closing line of the table: `N passed, N failed, N not applicable`.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} passed, {} failed, {} not applicable",
            self.count(Status::Passed),
            self.count(Status::Failed),
            self.count(Status::NotApplicable),
        )
    }

    /// For machines: `{"network": ..., "cases": [{"id", "sentence", "status", "detail"}]}`, where a
    /// status is `passed`, `failed` or `not_applicable`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("strings and lists of them are always JSON")
    }

    /// How many cases ended so.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.cases.iter().filter(|case| case.status == status).count()
    }

    /// True when no case failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.count(Status::Failed) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let case = |id: &str, status, detail: &str| CaseReport {
            id: id.into(),
            sentence: "a statement".into(),
            status,
            detail: detail.into(),
        };
        Report {
            network: "test".into(),
            cases: vec![
                case("B1", Status::Passed, ""),
                case("B13", Status::Failed, "lost a byte"),
                case("L6", Status::NotApplicable, "descriptors"),
            ],
        }
    }

    #[test]
    fn the_table_shows_details_of_what_did_not_pass() {
        assert_eq!(
            report().table(),
            "B1   passed         a statement\n\
             B13  failed         a statement\n     \
             -> lost a byte\n\
             L6   not applicable a statement\n     \
             -> it lacks: descriptors\n\
             1 passed, 1 failed, 1 not applicable\n"
        );
    }

    #[test]
    fn json_has_these_names() {
        let json: serde_json::Value =
            serde_json::from_str(&report().to_json()).expect("it is JSON");
        let expected = serde_json::json!({
            "network": "test",
            "cases": [
                {"id": "B1", "sentence": "a statement", "status": "passed", "detail": ""},
                {"id": "B13", "sentence": "a statement", "status": "failed",
                 "detail": "lost a byte"},
                {"id": "L6", "sentence": "a statement", "status": "not_applicable",
                 "detail": "descriptors"},
            ],
        });
        assert_eq!(json, expected);
    }
}
