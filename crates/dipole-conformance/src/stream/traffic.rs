//! What the cases send, and how they look at what comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{ErrorKind, Initiator, ReceiveStream, ReceiveStreamExt, SendStreamExt, Stream};
use tokio::time::sleep;

use super::setup::Handle;
use crate::verdict::{Failure, Verdict, expect_bytes, expect_equal};
use crate::waiting::within;

pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;

/// Long enough for what is under way on loopback to arrive, mostly; nothing depends on it.
pub(super) async fn moment() {
    sleep(Duration::from_millis(30)).await;
}

/// How long to look whether something that is not to happen does happen.
pub(super) const WHILE: Duration = Duration::from_millis(120);

/// A new stream that has carried a byte: opened by `conn`, accepted by `peer`.
pub(super) async fn exchange(conn: &Handle, peer: &Handle) -> Verdict<(Stream, Stream)> {
    let mut ours = within("open_stream_sync", conn.open_stream_sync()).await??;
    within("a first write", ours.send.write_all(b"!")).await??;
    let mut theirs = within("accept_stream", peer.accept_stream()).await??;
    expect_equal(theirs.receive.id(), ours.send.id(), "the accepted stream")?;
    expect_read(&mut *theirs.receive, b"!", "the first byte").await?;
    Ok((ours, theirs))
}

/// Reads exactly `expected`, with no look at what follows.
pub(super) async fn expect_read(
    receive: &mut dyn ReceiveStream,
    expected: &[u8],
    what: &str,
) -> Verdict {
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        match within(what, receive.read()).await?? {
            Some(bytes) if bytes.is_empty() => {
                return Err(Failure::broken("a read gave no bytes and no end"));
            }
            Some(bytes) => seen.extend_from_slice(&bytes),
            None => return Err(Failure::broken(format_args!("{what}: ended too early"))),
        }
    }
    expect_bytes(&seen, expected, what)
}

/// Reads to the stream's end.
pub(super) async fn read_all(receive: &mut dyn ReceiveStream) -> Verdict<Bytes> {
    Ok(within("a stream to its end", receive.read_to_end(usize::MAX)).await??)
}

/// Reads to the stream's end, which is to be all of `expected`.
pub(super) async fn expect_all(receive: &mut dyn ReceiveStream, expected: &[u8]) -> Verdict {
    let seen = read_all(receive).await?;
    expect_bytes(&seen, expected, "the stream")
}

/// What a stream that the peer broke off with `code` reads as.
pub(super) fn reset_by_peer(code: u64) -> ErrorKind {
    ErrorKind::StreamReset { code, by: Initiator::Peer }
}

/// What a stream that this end broke off with `code` gives.
pub(super) fn reset_here(code: u64) -> ErrorKind {
    ErrorKind::StreamReset { code, by: Initiator::Local }
}

/// What a connection gives that was closed so.
pub(super) fn application(code: u64, reason: &'static [u8], by: Initiator) -> ErrorKind {
    ErrorKind::Application { code, reason: Bytes::from_static(reason), by }
}

/// One half of a stream under a lock, which is held for a poll at a time: so that one task waits
/// while another changes something.
pub(super) struct Shared<T> {
    half: Arc<Mutex<T>>,
}

impl<T> Shared<T> {
    pub(super) fn new(half: T) -> Self {
        Self { half: Arc::new(Mutex::new(half)) }
    }

    pub(super) fn with<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        action(&mut self.half.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { half: Arc::clone(&self.half) }
    }
}
