//! The kit that judges a network library by the statements of the contract.
//!
//! To come: an example.

mod byte_stream;
mod case;
mod dialer;
mod listener;
mod report;
mod subject;

pub use case::{Case, Outcome, cases};
pub use report::{CaseReport, Report, Status};
pub use subject::{Answer, Handlers, Host, HostOptions, Running, Subject};
