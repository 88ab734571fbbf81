//! `dipole get`: one request, its answer to stdout or into a file.

use std::process::ExitCode;

use crate::Failure;
use crate::args::GetArgs;

/// To come with the client.
pub(crate) fn run(_: &GetArgs) -> Result<ExitCode, Failure> {
    Err(Failure::job("the client is not there yet"))
}
