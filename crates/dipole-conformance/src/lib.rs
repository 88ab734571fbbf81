//! The kit that judges a network library by the statements of the contract.
//!
//! Each statement of the contract about byte streams (B), connections of many streams (S), dialling
//! (D), and listening and the life cycle (L) is a [`Case`]. [`judge`] runs them against one library and gives a [`Report`]: a case
//! has *passed*, has *failed* with what was expected and what was seen, or is *not applicable*,
//! because the library declares that it lacks a capability. None is skipped silently.
//!
//! The kit sees only the public contract, with the library on both ends of each connection, and
//! what Linux says of the process: its open descriptors and its memory. So nothing else should run
//! in the process meanwhile: give it a test file with one test. Time is tokio's, hence a simulated
//! library is judged on a paused clock, in no time.
//!
//! ```
//! use std::sync::Arc;
//!
//! use dipole_conformance::{Subject, judge};
//! use dipole_sim::Network;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let network = Network::default();
//! let subject = Subject {
//!     name: "sim".into(),
//!     transport: Arc::new(network.clone()),
//!     dialer: Arc::new(network),
//!     addresses: vec!["sim:alpha:0".parse().expect("an address")],
//!     host: None, // or a server to run it under, for L8 to L13
//!     tls: None, // or a TLS layer, for D6 to D8 and L4
//! };
//! let progress = |case: &dipole_conformance::CaseReport| print!("{}", case.lines());
//! let report = judge(subject, Some("B1"), progress).await.expect("B1 is a case");
//! assert!(report.is_good(), "{}", report.table());
//! # }
//! ```
//!
//! For libraries on UDP the kit has a rough path between two ends, [`Relay`], which loses, delays,
//! overtakes and doubles datagrams and changes a client's address, the same for the same seed.
//!
//! This crate knows no network library and no HTTP.

#![forbid(unsafe_code)]

mod byte_stream;
mod case;
mod dialer;
mod harness;
mod judge;
mod line;
mod listener;
mod page;
mod pair;
mod process;
mod random;
mod relay;
mod report;
mod shared;
mod stopwatch;
mod stream;
mod subject;
mod tls;
mod verdict;
mod waiting;

pub use case::{Case, Outcome, cases};
pub use harness::{Clock, main};
pub use judge::{UNDER_TLS, UnknownCase, judge};
pub use relay::{Relay, Roughness};
pub use report::{CaseReport, Report, Status};
pub use subject::{Answer, Handlers, Host, HostOptions, Running, Subject};
pub use tls::{Shown, Tls};
