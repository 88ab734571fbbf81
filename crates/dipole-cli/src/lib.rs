//! The `dipole` command, and the one place that maps names to network libraries.
//!
//! This is a library so that the command's own benchmark server finds [`networks`]; it is no
//! interface to build on.
//!
//! | module | what it is |
//! |---|---|
//! | `args` | what can be written on the command line |
//! | `networks` | which network library a name means |
//! | `serve/` | `dipole serve`: a folder's files over HTTP |
//! | `get/` | `dipole get`: one request, its answer to stdout or a file |
//! | `swap` | `dipole swap`: another network library under a running server |
//! | `conformance` | `dipole conformance`: the kit's report |
//! | `doctor` | `dipole doctor`: what this build and this machine have |
//! | `output` | what a command prints on stdout |
//! | `size` | a number of bytes, for people |
//! | `failure` | how a command fails: one line, and the exit status |

#![forbid(unsafe_code)]

mod args;
mod conformance;
mod doctor;
mod failure;
mod get;
pub mod networks;
mod output;
mod serve;
mod size;
mod swap;
pub mod tls;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Command};
pub use self::failure::Failure;

/// Runs the command that the command line names. Exit status: 0 done, 1 the job failed, 2 the
/// command line is wrong.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Get(args) => get::run(&args),
        Command::Swap(args) => swap::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    match outcome {
        Ok(status) => status,
        Err(failure) => failure.report(),
    }
}
