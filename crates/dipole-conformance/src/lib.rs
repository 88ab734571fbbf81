//! The kit that judges a network library by the statements of the contract.
//!
//! To come: an example.

mod byte_stream;
mod case;
mod dialer;
mod judge;
mod listener;
mod pair;
mod process;
mod random;
mod report;
mod shared;
mod subject;
mod verdict;
mod waiting;

pub use case::{Case, Outcome, cases};
pub use judge::{UnknownCase, judge};
pub use report::{CaseReport, Report, Status};
pub use subject::{Answer, Handlers, Host, HostOptions, Running, Subject};
