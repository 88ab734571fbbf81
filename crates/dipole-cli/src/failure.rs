//! How a command fails: one line on stderr, and the exit status.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Why a command could not do its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The job failed: exit status 1.
    Job(String),
    /// The command line asks for something that does not exist: exit status 2.
    Usage(String),
}

impl Failure {
    /// The job failed.
    pub fn job(text: impl fmt::Display) -> Self {
        Self::Job(text.to_string())
    }

    /// The command line is wrong.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self::Usage(text.to_string())
    }

    /// Prints the line `dipole: ...` and gives the exit status.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        // Where stderr is closed there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "dipole: {self}");
        match self {
            Self::Job(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    /// One line, whatever the text has: it may repeat what a peer or a file name said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Job(text) | Self::Usage(text)) = self;
        text.chars().try_for_each(|c| match c {
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        assert_eq!(Failure::job("a\nb\u{1b}[2J").to_string(), "a\\nb\\u{1b}[2J");
    }
}
