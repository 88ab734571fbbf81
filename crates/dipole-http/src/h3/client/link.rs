//! A connection, its task, and how many requests it takes.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use dipole_net::{Error, Stream, StreamConn};
use tokio::sync::watch;

use crate::ConnectionReport;
use crate::client::Usage;
use crate::h3::codec::code;
use crate::h3::codec::settings::Settings;
use crate::h3::control::{Broken, Control, Role};

/// One HTTP/3 connection to a server. It is closed when this is dropped.
pub(crate) struct Link {
    conn: Arc<dyn StreamConn>,
    shared: Arc<Shared>,
    options: LinkOptions,
    report: ConnectionReport,
    /// The handshake has ended.
    is_established: AtomicBool,
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
    /// The connection may be there before its handshake has ended.
    pub(crate) early_data: bool,
    /// The name of the network library below.
    pub(crate) network: &'static str,
}

/// What the connection's task and those who use the connection both know.
struct Shared {
    usage: Usage,
    /// What the server has said on its control stream.
    said: watch::Sender<Said>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Said {
    settings: Option<Settings>,
    /// Requests from this stream on the server does not look at (RFC 9114 section 5.2).
    goaway: Option<u64>,
}

/// A stream for one request, open already, which the connection counts until this is dropped.
pub(crate) struct Reserved {
    link: Arc<Link>,
    /// `None` once it is used.
    stream: Option<Stream>,
}

impl Link {
    /// Begins HTTP/3 on a connection, and gives what its task is to run.
    pub(crate) fn open(conn: Box<dyn StreamConn>, options: LinkOptions) -> (Self, LinkTask) {
        let conn: Arc<dyn StreamConn> = Arc::from(conn);
        let report = ConnectionReport::of_streams(&*conn, options.network);
        let usage = Usage::new(options.idle_timeout, options.max_age);
        let said = watch::Sender::default();
        let shared = Arc::new(Shared { usage, said });
        let limit = u64::try_from(options.max_head_bytes).ok();
        let task = LinkTask {
            conn: Arc::clone(&conn),
            shared: Arc::clone(&shared),
            settings: Settings {
                max_field_section: limit.filter(|&limit| limit < 1 << 62),
                extended_connect: false,
            },
        };
        let is_established = AtomicBool::new(!options.early_data);
        (Self { conn, shared, options, report, is_established }, task)
    }

    pub(super) fn report(&self) -> &ConnectionReport {
        &self.report
    }

    pub(super) fn options(&self) -> &LinkOptions {
        &self.options
    }

    pub(super) fn conn(&self) -> &Arc<dyn StreamConn> {
        &self.conn
    }

    /// Waits until the handshake has ended: before, what is sent may be replayed.
    ///
    /// # Errors
    /// What it failed with.
    pub(super) async fn established(&self) -> Result<(), Error> {
        if !self.is_established.load(Ordering::Relaxed) {
            self.conn.handshake_complete().await?;
            self.is_established.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What the server takes, as far as it has said so.
    pub(super) fn settings(&self) -> Option<Settings> {
        self.shared.said.borrow().settings
    }

    /// Waits for what the server takes. `None`: the connection has ended before.
    pub(super) async fn known_settings(&self) -> Option<Settings> {
        let mut said = self.shared.said.subscribe();
        let known = async { said.wait_for(|said| said.settings.is_some()).await.ok()?.settings };
        let (mut known, mut closed) = (pin!(known), self.conn.closed());
        std::future::poll_fn(|cx| match known.as_mut().poll(cx) {
            Poll::Pending => closed.as_mut().poll(cx).map(|_| None),
            known => known,
        })
        .await
    }

    /// Ends when the server has said that it does not look at requests from `stream` on.
    pub(super) async fn turned_away(&self, stream: u64) {
        let mut said = self.shared.said.subscribe();
        let is_turned = |said: &Said| said.goaway.is_some_and(|first| first <= stream);
        if said.wait_for(is_turned).await.is_err() {
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
        self.shared.usage.add_stream();
        Ok(Reserved { link: Arc::clone(self), stream: Some(stream) })
    }

    fn begin_stream(&self) -> bool {
        !self.is_going_away() && self.shared.usage.begin_stream(self.options.max_streams)
    }

    /// Takes no new stream; those that run go on.
    pub(crate) fn retire(&self) {
        self.shared.usage.retire();
    }

    /// No new stream will ever begin on it.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_going_away() || self.shared.usage.is_retired()
    }

    /// The server has said that it will look at no later request.
    fn is_going_away(&self) -> bool {
        self.shared.said.borrow().goaway.is_some()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.conn.close_with_error(code::NO_ERROR, b"");
    }
}

impl Reserved {
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The stream, once.
    pub(super) fn take_stream(&mut self) -> Option<Stream> {
        self.stream.take()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(mut unused) = self.stream.take() {
            unused.send.cancel_write(code::REQUEST_CANCELLED);
            unused.receive.cancel_read(code::REQUEST_CANCELLED);
        }
        self.link.shared.usage.end_stream();
    }
}

/// What a connection's task runs.
pub(crate) struct LinkTask {
    conn: Arc<dyn StreamConn>,
    shared: Arc<Shared>,
    settings: Settings,
}

impl LinkTask {
    /// Runs it on the current runtime. `slot` is dropped when the connection has ended.
    pub(crate) fn spawn(self, slot: impl Send + Sync + 'static) {
        let Self { conn, shared, settings } = self;
        let running = Running { conn: Arc::clone(&conn), shared, _slot: slot };
        tokio::spawn(async move { run(&*conn, &running, settings).await });
    }
}

/// The task's share of a connection; dropped, the connection has ended.
struct Running<S> {
    conn: Arc<dyn StreamConn>,
    shared: Arc<Shared>,
    _slot: S,
}

impl<S> Running<S> {
    /// Tells what the server has said.
    fn tell(&self, control: &Control<'_>) {
        let now = Said { settings: control.settings(), goaway: control.goaway() };
        self.shared.said.send_if_modified(|said| std::mem::replace(said, now) != now);
    }
}

impl<S> Drop for Running<S> {
    /// Also when its runtime ends: requests would wait for ever.
    fn drop(&mut self) {
        self.shared.usage.retire();
        self.conn.close_with_error(code::NO_ERROR, b"");
    }
}

async fn run<S>(conn: &dyn StreamConn, running: &Running<S>, settings: Settings) {
    let mut control = Control::new(conn, Role::Client, settings);
    let mut closed = conn.closed();
    let mut unused = pin!(running.shared.usage.unused());
    std::future::poll_fn(|cx| {
        let polled = control.poll(cx);
        running.tell(&control);
        // Why it ended is told to those whose requests are under way.
        if closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Err(Broken { code, text }) = polled {
            tracing::debug!(code, text, "an HTTP/3 server breaks the rules");
            conn.close_with_error(code, text.as_bytes());
            return Poll::Ready(());
        }
        unused.as_mut().poll(cx)
    })
    .await;
}
