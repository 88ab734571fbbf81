//! The access log: one line a request, written by a thread of its own.
//!
//! A request costs its worker two looks at the clock and one place in a queue. Where stderr takes
//! lines more slowly than requests come, lines are dropped and counted, and serving goes on.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::Buf;
use dipole::{ConnectionInfo, OwnAnswer, Reached};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::files::Fault;
use super::log_line::Format;

/// Requests that may wait for the writer; a second's worth at the rate of the wake-ups below would
/// be far more than a terminal shows.
const QUEUE: usize = 4096;
/// How long the writer gathers lines after the first, so that a busy server wakes it rarely.
const GATHERING: Duration = Duration::from_millis(10);
/// How many bytes of lines are written at once.
const BATCH: usize = 64 * 1024;
/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Which requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All.
    All,
    /// Those that failed by this machine's fault.
    Faults,
}

/// Where requests are logged; clones are the same log.
#[derive(Debug, Clone)]
pub(super) struct Log {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    scope: Scope,
}

enum Message {
    Request(Box<Record>),
    Refused(Box<Refused>),
    /// A line of the server's own.
    Line(String),
    /// Answered when everything before it has been written.
    Finish(SyncSender<()>),
}

/// What the log says of a request.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) began: SystemTime,
    pub(super) took: Duration,
    pub(super) peer: Option<ConnectionInfo>,
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) version: Version,
    /// `None` when it was dropped before it was answered.
    pub(super) status: Option<StatusCode>,
    /// Bytes of the answer's body that were given to the connection.
    pub(super) bytes: u64,
    pub(super) ending: Ending,
    pub(super) fault: Option<Fault>,
}

/// What the log says of a request that the server answered itself.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) at: SystemTime,
    pub(super) answer: OwnAnswer,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// The body was not sent to its end.
    CutShort,
}

impl Log {
    /// A log that writes its lines to `output`.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        format: Format,
        scope: Scope,
    ) -> io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer { output, format, messages, dropped: Arc::clone(&dropped) };
        thread::Builder::new().name("dipole-log".into()).spawn(move || writer.run())?;
        Ok(Self { queue, dropped, scope })
    }

    /// Begins the entry of a request; it is written when the entry is dropped.
    pub(super) fn begin<B>(&self, request: &Request<B>) -> Entry {
        let record = Record {
            began: SystemTime::now(),
            took: Duration::ZERO,
            peer: request.extensions().get::<ConnectionInfo>().cloned(),
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            status: None,
            bytes: 0,
            ending: Ending::CutShort,
            fault: None,
        };
        Entry { log: self.clone(), record: Some(Box::new(record)), began: Instant::now() }
    }

    /// Notes what the server has answered itself. What had reached the files has its entry already.
    pub(super) fn refused(&self, answer: &OwnAnswer) {
        if self.scope == Scope::All && answer.reached == Reached::Server {
            let refused = Refused { at: SystemTime::now(), answer: answer.clone() };
            self.queue(Message::Refused(Box::new(refused)));
        }
    }

    /// Writes a line of the server's own, whatever the scope. Never waits: a stderr that nobody
    /// reads must not keep the server from ending.
    pub(super) fn say(&self, line: impl Display) {
        // Where the queue is full, nobody reads.
        let _ = self.queue.try_send(Message::Line(line.to_string()));
    }

    /// Waits until what was logged so far has been written, but not for long.
    pub(super) fn finish(&self) {
        let (done, is_done) = sync_channel(1);
        let deadline = Instant::now() + LAST_LINES;
        let mut message = Message::Finish(done);
        // A full queue has a writer that is busy.
        while let Err(TrySendError::Full(unsent)) = self.queue.try_send(message) {
            if Instant::now() > deadline {
                return;
            }
            message = unsent;
            thread::sleep(GATHERING);
        }
        let _ = is_done.recv_timeout(LAST_LINES);
    }

    fn add(&self, record: Box<Record>) {
        if self.scope == Scope::Faults && record.fault.is_none() {
            return;
        }
        self.queue(Message::Request(record));
    }

    fn queue(&self, message: Message) {
        if self.queue.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The entry of a request that runs.
#[derive(Debug)]
pub(super) struct Entry {
    log: Log,
    /// Taken when the entry is dropped.
    record: Option<Box<Record>>,
    began: Instant,
}

impl Entry {
    /// Lets the entry go along with the answer, to the end of its body.
    pub(super) fn follow<B: HttpBody>(mut self, answer: Response<B>) -> Response<Followed<B>> {
        let left = answer.body().size_hint().exact().or_else(|| content_length(answer.headers()));
        if let Some(record) = &mut self.record {
            record.status = Some(answer.status());
            record.fault = answer.extensions().get::<Fault>().cloned();
            if record.method == Method::HEAD || answer.body().is_end_stream() || left == Some(0) {
                record.ending = Ending::Whole;
            }
        }
        answer.map(|body| Followed { body, left, entry: self })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.took = self.began.elapsed();
            self.log.add(record);
        }
    }
}

/// What a head says of its body's length; a file's body does not say it itself.
fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body whose bytes are counted for the log.
#[derive(Debug)]
pub(super) struct Followed<B> {
    body: B,
    /// Bytes to come, where that is known.
    left: Option<u64>,
    entry: Entry,
}

impl<B: HttpBody + Unpin> HttpBody for Followed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Self { left, entry, .. } = &mut *self;
        let Some(record) = &mut entry.record else {
            return polled;
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                record.bytes += length;
                *left = left.map(|left| left.saturating_sub(length));
                // Who knows the length does not ask for the end.
                if *left == Some(0) {
                    record.ending = Ending::Whole;
                }
            }
            Poll::Ready(None) => record.ending = Ending::Whole,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The thread that writes.
struct Writer<W> {
    output: W,
    format: Format,
    messages: Receiver<Message>,
    dropped: Arc<AtomicU64>,
}

impl<W: Write> Writer<W> {
    /// Until every log and entry is gone.
    fn run(mut self) {
        let mut lines = Vec::new();
        while let Ok(first) = self.messages.recv() {
            // A line of the server's own is wanted at once.
            if matches!(first, Message::Request(_) | Message::Refused(_)) {
                thread::sleep(GATHERING);
            }
            self.take(first, &mut lines);
            while let Ok(message) = self.messages.try_recv() {
                self.take(message, &mut lines);
            }
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                self.format.write_dropped(dropped, &mut lines);
            }
            self.write(&mut lines);
        }
    }

    fn take(&mut self, message: Message, lines: &mut Vec<u8>) {
        match message {
            Message::Request(record) => {
                self.format.write(&record, lines);
                if lines.len() >= BATCH {
                    self.write(lines);
                }
            }
            Message::Refused(refused) => {
                self.format.write_refused(&refused, lines);
                if lines.len() >= BATCH {
                    self.write(lines);
                }
            }
            Message::Line(line) => {
                lines.extend_from_slice(line.as_bytes());
                lines.push(b'\n');
            }
            Message::Finish(done) => {
                self.write(lines);
                let _ = done.try_send(());
            }
        }
    }

    fn write(&mut self, lines: &mut Vec<u8>) {
        // Nobody is left to be told that the log cannot be written.
        let _ = self.output.write_all(lines);
        lines.clear();
    }
}
