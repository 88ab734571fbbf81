//! The client: an in-memory reader and writer that asks, and counts the bytes of the answers.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::Scenario;

/// Sends a batch of requests, waits for the whole answer, and so on; ends the stream after the last
/// one.
///
/// As on a network, no batch is there before the server has waited for it: a read comes to nothing
/// first, and the server's task is woken for the batch.
pub struct Client {
    batch: Bytes,
    /// What the server has not yet read of the current batch.
    unread: Bytes,
    /// Bytes still to come of the current answer.
    awaited: usize,
    batches_left: usize,
    answer: Answer,
    /// True when the server has waited for the next batch, or the end, and has been woken for it.
    has_arrived: bool,
    /// Of a server that wants to read while it still owes a part of the answer.
    waker: Option<Waker>,
    /// Dropped with the client: when the server is done with it.
    end: Option<oneshot::Sender<()>>,
}

/// What the client knows of the answer to one batch.
enum Answer {
    Size(usize),
    /// Nothing yet: it keeps and checks what the server writes. That costs, but is not counted.
    Unknown(Scenario, Arc<Mutex<Vec<u8>>>),
}

impl Client {
    /// A client that sends `batches` batches, whose answers have `answer_size` bytes each.
    pub fn new(scenario: Scenario, batches: usize, answer_size: usize) -> Self {
        Self::start(scenario, batches, Answer::Size(answer_size))
    }

    /// A client that sends one batch, and keeps the answer in the vector.
    pub(crate) fn rehearsal(scenario: Scenario) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let kept = Arc::default();
        (
            Self::start(scenario, 1, Answer::Unknown(scenario, Arc::clone(&kept))),
            kept,
        )
    }

    fn start(scenario: Scenario, batches: usize, answer: Answer) -> Self {
        let batch = scenario.batch();
        Self {
            batch,
            unread: Bytes::new(),
            awaited: 0,
            batches_left: batches,
            answer,
            has_arrived: false,
            waker: None,
            end: None,
        }
    }

    /// Ends when the server has dropped the client.
    pub fn dropped(&mut self) -> impl Future<Output = ()> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.end = Some(sender);
        // It sends nothing: the error of the dropped sender is the news.
        async { drop(receiver.await) }
    }

    /// Ready when there is something to read, be it the end of the stream.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unread.is_empty() {
            return Poll::Ready(());
        }
        if self.awaited > 0 {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !self.has_arrived {
            self.has_arrived = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.send_next_batch();
        Poll::Ready(())
    }

    /// With none left, nothing remains unread: the end of the stream.
    fn send_next_batch(&mut self) {
        if self.batches_left == 0 {
            return;
        }
        self.batches_left -= 1;
        self.has_arrived = false;
        self.unread = self.batch.clone();
        self.awaited = match self.answer {
            Answer::Size(size) => size,
            Answer::Unknown(..) => usize::MAX,
        };
    }

    /// Takes a part of the answer, and wakes the server when it was the last one and the server
    /// waits.
    fn receive(&mut self, part: &[u8]) {
        match &self.answer {
            Answer::Size(_) => {
                self.awaited = self
                    .awaited
                    .checked_sub(part.len())
                    .expect("every answer is as long as the rehearsed one");
            }
            Answer::Unknown(scenario, kept) => {
                let mut kept = kept.lock().expect("no thread panics with the lock");
                kept.extend_from_slice(part);
                if is_whole_answer(&kept, *scenario) {
                    self.awaited = 0;
                }
            }
        }
        if self.awaited == 0
            && let Some(waker) = self.waker.take()
        {
            self.has_arrived = true;
            waker.wake();
        }
    }
}

/// True when `bytes` are the right answers to one batch. Panics on a wrong one.
fn is_whole_answer(mut bytes: &[u8], scenario: Scenario) -> bool {
    for _ in 0..scenario.depth() {
        let Some(blank_line) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return false;
        };
        let head = String::from_utf8_lossy(&bytes[..blank_line]).to_ascii_lowercase();
        let length = format!("\r\ncontent-length: {}", scenario.answer_body_size());
        assert!(head.starts_with("http/1.1 200 "), "a wrong answer: {head}");
        assert!(
            head.contains(&length) && head.contains("\r\ndate: "),
            "a wrong answer: {head}"
        );
        let size = blank_line + 4 + scenario.answer_body_size();
        if bytes.len() < size {
            return false;
        }
        bytes = &bytes[size..];
    }
    assert!(bytes.is_empty(), "more answers than requests");
    true
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_readable(cx));
        let n = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..n]);
        self.unread.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.receive(part);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut taken = 0;
        for part in parts {
            self.receive(part);
            taken += part.len();
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// As a socket does, it can tell before a buffer is taken that there is nothing to read.
#[cfg(feature = "dipole")]
impl dipole_io::Socket for Client {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Client::poll_readable(self, cx).map(Ok)
    }
}
