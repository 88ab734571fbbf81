//! Where the answer goes: stdout, or a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Where the answer goes. Bytes are written as they come, into the file itself: what has come of
/// an answer that breaks off is there.
pub(super) enum Sink {
    Stdout(io::Stdout),
    File(File, PathBuf),
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// All is written.
    All,
    /// The reader of stdout has gone, and wants no more.
    NotWanted,
}

impl Sink {
    /// The file of this name, emptied; stdout for `None` and `-`.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            None => Ok(Self::Stdout(io::stdout())),
            Some(path) if path == Path::new("-") => Ok(Self::Stdout(io::stdout())),
            Some(path) => match File::create(path) {
                Ok(file) => Ok(Self::File(file, path.to_owned())),
                Err(error) => {
                    Err(Failure::Job(format!("cannot write {}: {error}", path.display())))
                }
            },
        }
    }

    /// Writes all of `data`.
    pub(super) fn write(&mut self, data: &[u8]) -> Result<Written, Failure> {
        match self {
            // Flushed, since whoever reads may wait for this very piece.
            Self::Stdout(stdout) => match stdout.write_all(data).and_then(|()| stdout.flush()) {
                Ok(()) => Ok(Written::All),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Written::NotWanted),
                Err(error) => Err(Failure::Job(format!("cannot write to stdout: {error}"))),
            },
            Self::File(file, path) => match file.write_all(data) {
                Ok(()) => Ok(Written::All),
                Err(error) => {
                    Err(Failure::Job(format!("cannot write {}: {error}", path.display())))
                }
            },
        }
    }
}
