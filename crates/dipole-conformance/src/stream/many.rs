//! S23: many streams at once.

use std::sync::Arc;

use dipole_net::{ErrorKind, ReceiveStreamExt, SendStreamExt, Stream, StreamConn};

use super::setup::{Pair, on_both_ends};
use super::traffic::{KIB, reset_by_peer};
use crate::Case;
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect_bytes, expect_error};
use crate::waiting::{Task, within};

pub(super) const CASES: &[Case] = &[Case {
    id: "S23",
    sentence: "cancelling some of 80 streams leaves the others exact",
    run: |subject| on_both_ends(subject, some_are_cancelled),
}];

const STREAMS: u64 = 80;
const LENGTH: usize = 6 * KIB;

/// What becomes of a stream: the number is in its first bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Whole,
    /// Its writer breaks it off.
    CancelledByWriter,
    /// Its reader stops it.
    CancelledByReader,
}

impl Fate {
    fn of(number: u64) -> Self {
        match number % 5 {
            1 => Self::CancelledByWriter,
            3 => Self::CancelledByReader,
            _ => Self::Whole,
        }
    }
}

pub(super) async fn some_are_cancelled(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let mut writers = Vec::new();
    for number in 0..STREAMS {
        let conn = Arc::clone(&conn);
        writers.push(Task::start(async move { write_one(&*conn, number).await }));
    }
    let mut readers = Vec::new();
    for _ in 0..STREAMS {
        let stream = within("accept_stream", peer.accept_stream()).await??;
        readers.push(Task::start(read_one(stream)));
    }
    let mut kept = Vec::new();
    for (number, writer) in writers.into_iter().enumerate() {
        let stream = within("a writer", writer.join()).await??;
        kept.push(stream.map_err(|failure| failure.of(format_args!("writer {number}")))?);
    }
    for reader in readers {
        within("a reader", reader.join()).await???;
    }
    drop((kept, place));
    Ok(())
}

fn content(number: u64) -> Vec<u8> {
    [&number.to_le_bytes(), &*random_bytes(number, LENGTH)].concat()
}

async fn write_one(conn: &dyn StreamConn, number: u64) -> Verdict<Stream> {
    let data = content(number);
    let mut stream = conn.open_stream_sync().await?;
    match stream.send.write_all(&data[..LENGTH / 2]).await {
        // Its reader may be quick.
        Err(error)
            if Fate::of(number) == Fate::CancelledByReader
                && *error.kind() == (ErrorKind::StreamStopped { code: number }) => {}
        written => written?,
    }
    match Fate::of(number) {
        Fate::Whole => {
            stream.send.write_all(&data[LENGTH / 2..]).await?;
            stream.send.close().await?;
        }
        Fate::CancelledByWriter => {
            // Only once the peer has seen it.
            stream.receive.read().await?;
            stream.send.cancel_write(number);
        }
        Fate::CancelledByReader => {
            let stopped = stream.send.stopped().await?;
            crate::verdict::expect_equal(stopped, Some(number), "the code of a stopped stream")?;
        }
    }
    Ok(stream)
}

async fn read_one(mut stream: Stream) -> Verdict {
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let Some(bytes) = stream.receive.read().await? else {
            return Err(Failure::broken("a stream ended before its number"));
        };
        seen.extend_from_slice(&bytes);
    }
    let mut number = [0; 8];
    number.copy_from_slice(&seen[..8]);
    let number = u64::from_le_bytes(number);
    let error = match Fate::of(number) {
        Fate::CancelledByReader => {
            stream.receive.cancel_read(number);
            return Ok(());
        }
        Fate::CancelledByWriter => {
            stream.send.write_all(b"seen").await?;
            drain(&mut stream, &mut seen).await
        }
        Fate::Whole => drain(&mut stream, &mut seen).await,
    };
    match (Fate::of(number), error) {
        (Fate::Whole, None) => expect_bytes(&seen, &content(number), format!("stream {number}")),
        (Fate::Whole, Some(error)) => Err(error.into()),
        (_, None) => Err(Failure::broken("a stream that was broken off ended well")),
        (_, Some(error)) => {
            let kind: ErrorKind = reset_by_peer(number);
            expect_error::<()>(Err(error), &kind, format!("stream {number}")).map(drop)
        }
    }
}

async fn drain(stream: &mut Stream, seen: &mut Vec<u8>) -> Option<dipole_net::Error> {
    loop {
        match stream.receive.read().await {
            Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}
