//! The request's body, from a file or stdin, read by a thread of its own as the server takes it.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use dipole::{Body, BodyError};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::Failure;

/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;
/// Pieces that are read ahead of the connection.
const AHEAD: usize = 4;

/// A file's content. Its length is told ahead, where it has one.
pub(super) fn file(path: &str) -> Result<Body, Failure> {
    let failed = |error| Failure::job(format_args!("cannot read {path}: {error}"));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let length = metadata.is_file().then_some(metadata.len());
    begin(file, path.to_owned(), length).map_err(failed)
}

/// What comes on stdin, of unknown length.
pub(super) fn stdin() -> Result<Body, Failure> {
    begin(io::stdin(), "stdin".into(), None)
        .map_err(|error| Failure::job(format_args!("cannot read stdin: {error}")))
}

fn begin(
    source: impl Read + Send + 'static,
    name: String,
    length: Option<u64>,
) -> io::Result<Body> {
    let (pieces, received) = channel(AHEAD);
    thread::Builder::new().name("upload".into()).spawn(move || {
        if let Err(error) = read_all(source, &pieces) {
            // Where nobody takes it, nobody has to be told.
            let error = BodyError::of(format!("cannot read {name}: {error}"));
            let _ = pieces.blocking_send(Err(error));
        }
    })?;
    Ok(Body::new(UploadBody { pieces: received, left: length }))
}

type Piece = Result<Bytes, BodyError>;

/// Reads until the end, or until nobody takes the pieces any more.
fn read_all(mut source: impl Read, pieces: &Sender<Piece>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                let piece = Bytes::copy_from_slice(&buffer[..length]);
                if pieces.blocking_send(Ok(piece)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

struct UploadBody {
    pieces: Receiver<Piece>,
    /// Bytes to come, where that is known.
    left: Option<u64>,
}

impl HttpBody for UploadBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(piece) = ready!(self.pieces.poll_recv(cx)) else { return Poll::Ready(None) };
        let piece = piece.map(|mut data| {
            // A file that grows is sent as long as it was.
            if let Some(left) = &mut self.left {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
            }
            Frame::data(data)
        });
        Poll::Ready(Some(piece))
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
