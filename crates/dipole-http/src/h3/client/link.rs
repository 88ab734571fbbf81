//! A connection, its task, and how many requests it takes.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Stream, StreamConn};
use h3::client::{Connection, SendRequest};
use h3::error::Code;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use crate::ConnectionReport;
use crate::h3::quic::{Opened, QuicConn, QuicOpener};

/// No request is turned away by the server.
const NO_GOAWAY: u64 = u64::MAX;

/// One HTTP/3 connection to a server. Its task ends when this is dropped.
pub(crate) struct Link {
    conn: Arc<dyn StreamConn>,
    /// Closes the connection when it is dropped.
    sender: Mutex<SendRequest<QuicOpener, Bytes>>,
    /// Where `sender` finds the streams that are open already.
    opened: Opened,
    shared: Arc<Shared>,
    options: LinkOptions,
    born: Instant,
    report: ConnectionReport,
}

/// How long a connection is used, and for how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkOptions {
    /// Requests at a time, whatever the server allows.
    pub(crate) max_streams: usize,
    /// How long it stays open without a request.
    pub(crate) idle_timeout: Duration,
    /// How long it takes new requests.
    pub(crate) max_age: Option<Duration>,
    /// How long the server may take nothing of what is queued of a request.
    pub(crate) write_timeout: Option<Duration>,
    /// A response's head, and as much for its trailers.
    pub(crate) max_head_bytes: usize,
    /// The name of the network library below.
    pub(crate) network: &'static str,
}

/// What the connection's task and those who use the connection both know.
struct Shared {
    usage: Mutex<Usage>,
    /// Requests from this stream on the server does not look at (RFC 9114 section 5.2).
    goaway: watch::Receiver<u64>,
}

struct Usage {
    streams: usize,
    /// When the last stream ended.
    idle_since: Instant,
    /// No new stream may begin.
    is_retired: bool,
}

/// A stream for one request, open already, which the connection counts until this is dropped.
pub(crate) struct Reserved {
    link: Arc<Link>,
    /// `None` once it is used.
    stream: Option<Stream>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    /// Begins HTTP/3 on a connection, and gives what its task is to run.
    ///
    /// # Errors
    /// The connection's own.
    pub(crate) async fn open(
        conn: Box<dyn StreamConn>,
        options: LinkOptions,
    ) -> Result<(Self, LinkTask), Error> {
        let conn: Arc<dyn StreamConn> = Arc::from(conn);
        let report = ConnectionReport::of_streams(&*conn, options.network);
        let quic = QuicConn::new(Arc::clone(&conn), options.max_head_bytes);
        let (opened, goaway) = (quic.opened(), quic.goaway());
        let mut builder = h3::client::builder();
        builder.send_grease(false).max_field_section_size(options.max_head_bytes as u64);
        let begun = builder.build(quic).await;
        let (driver, sender) = begun.map_err(|error| {
            let known = why_closed(&*conn);
            known.unwrap_or_else(|| Error::with_source(ErrorKind::Closed, error))
        })?;
        let born = Instant::now();
        let usage = Usage { streams: 0, idle_since: born, is_retired: false };
        let shared = Arc::new(Shared { usage: Mutex::new(usage), goaway });
        let task = LinkTask {
            conn: Arc::clone(&conn),
            driver,
            shared: Arc::clone(&shared),
            idle_timeout: options.idle_timeout,
        };
        let sender = Mutex::new(sender);
        Ok((Self { conn, sender, opened, shared, options, born, report }, task))
    }

    pub(super) fn report(&self) -> &ConnectionReport {
        &self.report
    }

    pub(super) fn options(&self) -> &LinkOptions {
        &self.options
    }

    /// What sends one request, on the stream that `reserved` has.
    pub(super) fn sender(&self, reserved: &mut Reserved) -> SendRequest<QuicOpener, Bytes> {
        if let Some(stream) = reserved.stream.take() {
            self.opened.put(stream);
        }
        lock(&self.sender).clone()
    }

    /// Ends when the server has said that it does not look at requests from `stream` on.
    pub(super) async fn turned_away(&self, stream: u64) {
        let mut goaway = self.shared.goaway.clone();
        if goaway.wait_for(|first| *first <= stream).await.is_err() {
            // The connection has ended, which is told elsewhere.
            std::future::pending::<()>().await;
        }
    }

    /// A stream for one request; `None` when the connection takes none at the moment.
    pub(crate) fn reserve(self: &Arc<Self>) -> Option<Reserved> {
        if !self.begin_stream() {
            return None;
        }
        let mut reserved = Reserved { link: Arc::clone(self), stream: None };
        match self.conn.open_stream() {
            Ok(stream) => reserved.stream = Some(stream),
            Err(error) if error.is_temporary() => return None,
            Err(_) => {
                self.retire();
                return None;
            }
        }
        Some(reserved)
    }

    /// A stream for one request, as soon as the server allows another.
    ///
    /// # Errors
    /// The connection's own.
    pub(crate) async fn reserve_later(self: &Arc<Self>) -> Result<Reserved, Error> {
        let stream = self.conn.open_stream_sync().await?;
        lock(&self.shared.usage).streams += 1;
        Ok(Reserved { link: Arc::clone(self), stream: Some(stream) })
    }

    fn begin_stream(&self) -> bool {
        let mut usage = lock(&self.shared.usage);
        if self.is_over(&usage) || usage.streams >= self.options.max_streams.max(1) {
            return false;
        }
        usage.streams += 1;
        true
    }

    fn end_stream(&self) {
        let mut usage = lock(&self.shared.usage);
        usage.streams -= 1;
        usage.idle_since = Instant::now();
    }

    /// Takes no new stream; those that run go on.
    pub(crate) fn retire(&self) {
        lock(&self.shared.usage).is_retired = true;
    }

    /// No new stream will ever begin on it.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_over(&lock(&self.shared.usage))
    }

    fn is_over(&self, usage: &Usage) -> bool {
        usage.is_retired
            || *self.shared.goaway.borrow() != NO_GOAWAY
            || self.options.max_age.is_some_and(|age| self.born.elapsed() >= age)
    }

    /// Why the connection has ended; `None` when it has not.
    pub(super) fn why_closed(&self) -> Option<Error> {
        why_closed(&*self.conn)
    }
}

fn why_closed(conn: &dyn StreamConn) -> Option<Error> {
    match conn.closed().as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(error) => Some(error),
        Poll::Pending => None,
    }
}

impl Reserved {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.link.end_stream();
    }
}

/// What a connection's task runs.
pub(crate) struct LinkTask {
    conn: Arc<dyn StreamConn>,
    driver: Connection<QuicConn, Bytes>,
    shared: Arc<Shared>,
    idle_timeout: Duration,
}

impl LinkTask {
    /// Runs it on the current runtime. `slot` is dropped when the connection has ended.
    pub(crate) fn spawn(self, slot: impl Send + Sync + 'static) {
        let Self { conn, driver, shared, idle_timeout } = self;
        tokio::spawn(run(Running { conn, driver, shared, _slot: slot }, idle_timeout));
    }
}

/// The task's share of a connection; dropped, the connection has ended.
struct Running<S> {
    conn: Arc<dyn StreamConn>,
    driver: Connection<QuicConn, Bytes>,
    shared: Arc<Shared>,
    _slot: S,
}

impl<S> Running<S> {
    /// Ready when nobody has used the connection for so long.
    fn poll_unused(
        &self,
        idle_timeout: Duration,
        mut timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while timer.as_mut().poll(cx).is_ready() {
            let mut usage = lock(&self.shared.usage);
            let now = Instant::now();
            let since = if usage.streams == 0 { usage.idle_since } else { now };
            if now >= since + idle_timeout {
                usage.is_retired = true;
                return Poll::Ready(());
            }
            timer.as_mut().reset(since + idle_timeout);
        }
        Poll::Pending
    }
}

impl<S> Drop for Running<S> {
    /// Also when its runtime ends: requests would wait for ever.
    fn drop(&mut self) {
        lock(&self.shared.usage).is_retired = true;
        self.conn.close_with_error(Code::H3_NO_ERROR.value(), b"");
    }
}

async fn run<S>(mut running: Running<S>, idle_timeout: Duration) {
    let mut timer = pin!(tokio::time::sleep(idle_timeout));
    std::future::poll_fn(|cx| {
        // Why it ended is told to those whose requests are under way.
        if running.driver.poll_close(cx).is_ready() {
            return Poll::Ready(());
        }
        running.poll_unused(idle_timeout, timer.as_mut(), cx)
    })
    .await;
}
