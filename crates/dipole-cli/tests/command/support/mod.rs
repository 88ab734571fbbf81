//! Folders, programs and a small HTTP client; everything with a time limit.

mod canned;
mod folder;
mod http;
mod program;

use std::time::Duration;

pub(crate) use self::canned::Canned;
pub(crate) use self::folder::Folder;
pub(crate) use self::http::{Answer, ask, ask_on, get, read_answer, request};
pub(crate) use self::program::{Program, Serving, run};

/// The longest that anything here may take. Far above what it does take: the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
