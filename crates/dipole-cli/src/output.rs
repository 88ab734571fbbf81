//! What a command prints on stdout.

use std::io::{self, Write as _};

use crate::Failure;

/// Prints a text, all of it.
///
/// A reader that has gone (`| head`) has what it wanted: that is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::job(format_args!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
