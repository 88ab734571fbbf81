//! The requests of a connection that has several under way at once.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, Request};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::answer::Answer;
use super::registry::Place;
use super::{ConnectionInfo, Phase, Worker};
use crate::{BoxError, HttpService, ServerConfig};

/// Answers the requests of one connection with the server's service, and keeps the server's
/// promises for each: see [`answer`](Self::answer). Clones are of the same connection.
pub struct Exchanges<S> {
    service: S,
    connection: Arc<Shared>,
}

/// What the requests of one connection share.
pub(super) struct Shared {
    pub(super) worker: Arc<Worker>,
    pub(super) info: Option<ConnectionInfo>,
    /// The connection is a byte stream under TLS.
    is_secured: bool,
    activity: Mutex<Activity>,
}

struct Activity {
    /// Requests begun.
    requests: u64,
    /// What is under way: answers that have not ended, and tasks.
    running: usize,
    idle_since: Instant,
    /// The connection's task, woken when nothing is under way any more.
    watcher: Option<Waker>,
}

impl<S: HttpService> Exchanges<S> {
    pub(super) fn new(
        service: S,
        worker: Arc<Worker>,
        info: Option<ConnectionInfo>,
        is_secured: bool,
    ) -> Self {
        let now = Instant::now();
        let activity = Activity { requests: 0, running: 0, idle_since: now, watcher: None };
        let connection = Shared { worker, info, is_secured, activity: Mutex::new(activity) };
        Self { service, connection: Arc::new(connection) }
    }

    /// Answers a request, whose body is read as the handler reads it.
    ///
    /// The future always gives a response: the service's, or the server's own when the service
    /// panicked or failed (500), took longer than `request_timeout` (503), or when the body was
    /// larger than `max_body_bytes` (413) or a piece of it later than `body_timeout` (408), or when
    /// its target (414) or its header fields (431) were beyond their limits. The handler is dropped
    /// then, and also when the future is: drop it when the client has gone.
    /// All of this is counted. A response to HEAD, a 204 and a 304 have no body.
    pub fn answer<B>(&self, request: Request<B>) -> Answer<S>
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let mut activity = self.connection.lock();
        activity.requests += 1;
        drop(activity);
        Answer::new(self.service.clone(), Running::of(&self.connection), request)
    }
}

impl<S> Exchanges<S> {
    /// Runs something that belongs to the connection, as a task of its own. It ends by the drain's
    /// deadline at the latest, the drain waits for it, and the connection is not idle before it has
    /// ended.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        spawn(&self.connection, task);
    }

    /// Something is under way until what this gives is dropped.
    pub(crate) fn hold(&self) -> Running {
        Running::of(&self.connection)
    }

    /// Since when no request is under way; `None` while some are: the task that asked last is woken
    /// when the last of them has ended.
    pub fn poll_idle_since(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut activity = self.connection.lock();
        if activity.running == 0 {
            return Some(activity.idle_since);
        }
        match &mut activity.watcher {
            Some(known) => known.clone_from(cx.waker()),
            watcher => *watcher = Some(cx.waker().clone()),
        }
        None
    }

    /// The server's deadlines and limits.
    #[must_use]
    pub fn config(&self) -> &ServerConfig {
        &self.connection.worker.config
    }

    /// True once the server drains: it takes no new requests any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.connection.worker.registry.phase() > Phase::Serving
    }

    /// The same connection, without the service, which need not be shared between threads.
    pub(crate) fn connection(&self) -> Exchanges<()> {
        Exchanges { service: (), connection: Arc::clone(&self.connection) }
    }

    /// How many requests have come.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.connection.lock().requests
    }

    /// True when `max_requests_per_connection` have come.
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.config().max_requests_per_connection.is_some_and(|most| self.requests() >= most)
    }

    /// The value of a `date` field (RFC 9110 section 6.6.1).
    #[must_use]
    pub fn date(&self) -> HeaderValue {
        self.connection.worker.date_value(Instant::now())
    }

    /// Counts a request that broke the rules of the protocol, or a limit.
    pub fn count_rejected(&self) {
        self.connection.worker.counters.rejected.add_one();
    }

    /// Counts a deadline that has passed.
    pub fn count_timed_out(&self) {
        self.connection.worker.counters.timed_out.add_one();
    }
}

/// See [`Exchanges::spawn`].
pub(super) fn spawn(connection: &Arc<Shared>, task: impl Future<Output = ()> + Send + 'static) {
    let running = Running::of(connection);
    let place = connection.worker.registry.join();
    tokio::spawn(Task { place, is_settled: false, _running: running, future: task });
}

impl Shared {
    /// What answers say of other ways to the server; nothing where the client has taken one.
    pub(super) fn alt_svc(&self) -> Option<&HeaderValue> {
        self.worker.alt_svc().filter(|_| self.is_secured)
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something of a connection that is under way, until it is dropped.
pub(crate) struct Running {
    pub(super) connection: Arc<Shared>,
}

impl Running {
    pub(super) fn of(connection: &Arc<Shared>) -> Self {
        connection.lock().running += 1;
        Self { connection: Arc::clone(connection) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut activity = self.connection.lock();
        activity.running -= 1;
        if activity.running > 0 {
            return;
        }
        activity.idle_since = Instant::now();
        let watcher = activity.watcher.take();
        drop(activity);
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }
}

pin_project! {
    /// A task that ends with the server.
    struct Task<F> {
        place: Place,
        is_settled: bool,
        _running: Running,
        #[pin]
        future: F,
    }
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if !*this.is_settled {
            this.place.settle(cx);
            *this.is_settled = true;
        }
        if this.place.phase() == Phase::Ending {
            return Poll::Ready(());
        }
        this.future.poll(cx)
    }
}

impl<S: Clone> Clone for Exchanges<S> {
    fn clone(&self) -> Self {
        Self { service: self.service.clone(), connection: Arc::clone(&self.connection) }
    }
}

impl<S> fmt::Debug for Exchanges<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchanges").field("info", &self.connection.info).finish_non_exhaustive()
    }
}
