//! `dipole get`: one request, its answer to stdout or into a file.
//!
//! | module | what it is |
//! |---|---|
//! | `request` | from the command line to a request |
//! | `upload` | the request's body, from a file or stdin |
//! | `sink` | where the answer goes |
//! | `progress` | how far it is, on a terminal |

mod progress;
mod request;
mod sink;
mod upload;

use std::process::ExitCode;

use crate::Failure;
use crate::args::GetArgs;

/// To come with the client.
pub(crate) fn run(args: &GetArgs) -> Result<ExitCode, Failure> {
    let _ = request::Asked::of(args)?;
    Err(Failure::job("the client is not there yet"))
}
