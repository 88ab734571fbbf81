//! A connection, its task, and how many requests it takes.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_net::Conn;
use hyper::client::conn::http2::{Builder, Connection, SendRequest};

use super::Http2ClientConfig;
use super::fault::Fault;
use super::outgoing::Outgoing;
use crate::ConnectionReport;
use crate::client::Usage;
use crate::runtime::{ConnIo, TokioExecutor, TokioTimer};

type Driver = Connection<ConnIo, Outgoing, TokioExecutor>;

/// One HTTP/2 connection to a server. Its task ends when this is dropped and its last stream has
/// ended.
pub(crate) struct Link {
    sender: SendRequest<Outgoing>,
    shared: Arc<Shared>,
    options: LinkOptions,
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
    /// How long the server may take nothing of what is queued.
    pub(crate) write_timeout: Option<Duration>,
    /// A response's head.
    pub(crate) max_head_bytes: usize,
    /// The name of the network library below.
    pub(crate) network: &'static str,
}

/// What the connection's task and those who use the connection both know.
struct Shared {
    /// `None` once the task has ended.
    driver: Mutex<Option<Driver>>,
    /// What the server allowed when it was last asked.
    max_streams: AtomicUsize,
    usage: Usage,
}

impl Link {
    /// Begins HTTP/2 on a connection, and gives what its task is to run.
    ///
    /// # Errors
    /// The connection's own.
    pub(crate) async fn open(
        mut conn: Box<dyn Conn>,
        config: &Http2ClientConfig,
        options: LinkOptions,
    ) -> Result<(Self, LinkTask), Fault> {
        let builder = builder(config, options.max_head_bytes);
        // The connection's own deadline is that of a whole flush, which others' requests extend.
        conn.set_write_timeout(None);
        let report = ConnectionReport::of(&*conn, options.network);
        let begun = builder.handshake(ConnIo::new(conn, options.write_timeout)).await;
        let (sender, driver) = begun.map_err(|error| Fault::of(error, false))?;
        let shared = Arc::new(Shared {
            max_streams: AtomicUsize::new(config.initial_max_streams),
            driver: Mutex::new(Some(driver)),
            usage: Usage::new(options.idle_timeout, options.max_age),
        });
        let task = LinkTask { shared: Arc::clone(&shared) };
        Ok((Self { sender, shared, options, report }, task))
    }

    pub(super) fn report(&self) -> &ConnectionReport {
        &self.report
    }

    /// What sends requests.
    pub(super) fn sender(&self) -> SendRequest<Outgoing> {
        self.sender.clone()
    }

    /// Counts a stream more, to be ended by [`end_stream`](Self::end_stream). False when the
    /// connection takes none at the moment.
    pub(crate) fn begin_stream(&self) -> bool {
        let max = self.shared.max_streams().min(self.options.max_streams);
        !self.sender.is_closed() && self.shared.usage.begin_stream(max)
    }

    pub(crate) fn end_stream(&self) {
        self.shared.usage.end_stream();
    }

    /// Takes no new stream; those that run go on.
    pub(crate) fn retire(&self) {
        self.shared.usage.retire();
    }

    /// No new stream will ever begin on it.
    pub(crate) fn is_retired(&self) -> bool {
        self.sender.is_closed() || self.shared.usage.is_retired()
    }
}

impl Shared {
    /// What the server allows. The task may be at work: then what it allowed before.
    fn max_streams(&self) -> usize {
        if let Ok(driver) = self.driver.try_lock()
            && let Some(driver) = &*driver
        {
            self.max_streams.store(driver.current_max_send_streams(), Ordering::Relaxed);
        }
        self.max_streams.load(Ordering::Relaxed)
    }

    fn lock_driver(&self) -> MutexGuard<'_, Option<Driver>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a connection's task runs.
pub(crate) struct LinkTask {
    shared: Arc<Shared>,
}

impl LinkTask {
    /// Runs it on the current runtime. `slot` is dropped when the connection has ended.
    pub(crate) fn spawn(self, slot: impl Send + Sync + 'static) {
        tokio::spawn(run(Running { shared: self.shared, _slot: slot }));
    }
}

/// The task's share of a connection; dropped, the connection has ended.
struct Running<S> {
    shared: Arc<Shared>,
    _slot: S,
}

impl<S> Running<S> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.shared.lock_driver() {
            // Why it ended is told to those whose requests are under way.
            Some(driver) => Pin::new(driver).poll(cx).map(drop),
            None => Poll::Ready(()),
        }
    }
}

impl<S> Drop for Running<S> {
    /// Also when its runtime ends: requests would wait for ever.
    fn drop(&mut self) {
        self.shared.usage.retire();
        let driver = self.shared.lock_driver().take();
        drop(driver);
    }
}

async fn run<S>(running: Running<S>) {
    let mut unused = pin!(running.shared.usage.unused());
    std::future::poll_fn(|cx| match running.poll(cx) {
        Poll::Pending => unused.as_mut().poll(cx),
        ended => ended,
    })
    .await;
}

fn builder(config: &Http2ClientConfig, max_head_bytes: usize) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor);
    builder
        .timer(TokioTimer)
        .initial_stream_window_size(config.stream_window)
        .initial_connection_window_size(config.connection_window)
        .max_frame_size(config.max_frame_size)
        .header_table_size(config.header_table_size)
        .max_header_list_size(u32::try_from(max_head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(config.max_send_buffer.min(u32::MAX as usize))
        .initial_max_send_streams(config.initial_max_streams)
        .max_concurrent_reset_streams(config.max_remembered_resets)
        .reset_stream_duration(config.reset_stream_duration)
        .max_local_error_reset_streams(config.max_error_resets)
        .keep_alive_interval(config.keep_alive_interval)
        .keep_alive_timeout(config.keep_alive_timeout)
        .keep_alive_while_idle(config.keep_alive_while_idle);
    if config.adaptive_window {
        builder.adaptive_window(true);
    }
    builder
}
