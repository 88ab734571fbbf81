//! HTTP/3 (RFC 9114), the server's end of a connection.
//!
//! [`serve`] is the connection's task: it takes streams and keeps the control streams
//! (`../control.rs`). Each request (`exchange.rs`) is answered at once (`at_once.rs`), or in a task of
//! its own from its first wait on. Its body comes as its handler reads it (`arriving.rs`) and its
//! response goes out as the client takes it (`leaving.rs`). What the handler leaves of the body is
//! thrown away (`discard.rs`), and who goes too far is sent away (`calm.rs`).

mod arriving;
mod at_once;
mod calm;
mod discard;
mod exchange;
mod leaving;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_net::{BoxFuture, Connection, Result, Stream, StreamConn};
use tokio::time::Instant;

use self::at_once::AtOnce;
use self::calm::Calm;
use super::codec::code;
use super::codec::settings::Settings;
use super::control::{Broken, Control, Role};
use crate::HttpService;
use crate::server::{Deadline, Exchanges, HTTP3, Protocol, Session};

/// HTTP/3 as a protocol of the server.
pub(crate) struct Http3;

impl<S: HttpService> Protocol<S> for Http3 {
    fn alpn(&self) -> &[u8] {
        HTTP3
    }

    fn serve(&self, connection: Connection, session: Session<S>) -> BoxFuture<'static, ()> {
        match connection.into_streams() {
            Some(conn) => Box::pin(serve(Arc::from(conn), session.exchanges())),
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// How far the connection's end has come (RFC 9114 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    NotYet,
    /// The client was asked to send no more; what was under way to the server is still taken.
    Announced {
        at: Instant,
    },
    /// The client knows which request is the last.
    Last {
        begun: Instant,
        at: Instant,
    },
}

/// The first number that no stream has, which announces a GOAWAY to come.
const NO_STREAM: u64 = (1 << 62) - 4;

/// The shortest time between the announcement and the last request, where a round trip is shorter.
const SHORTEST_NOTICE: Duration = Duration::from_millis(20);

/// Requests taken, and begun with, in one turn; then others have theirs.
const MOST_IN_A_TURN: usize = 16;

/// Serves requests until either side ends the connection or the server drains.
fn serve<S: HttpService>(
    conn: Arc<dyn StreamConn>,
    exchanges: Exchanges<S>,
) -> impl Future<Output = ()> + use<S> {
    // Made here and not in the future, which would keep a second place for what it was made of.
    let connection = exchanges.connection();
    let calm = Arc::new(Calm::new(Arc::clone(&conn), exchanges.connection()));
    async move {
        let (shared, calmed) = (&conn, &calm);
        let request = move |stream| {
            exchange::run(stream, Arc::clone(shared), Arc::clone(calmed), exchanges.clone())
        };
        let mut driver = Driver {
            control: Control::new(&*conn, Role::Server, settings(&connection)),
            calm: &calm,
            accepting: conn.accept_stream(),
            conn: &conn,
            exchanges: &connection,
            request,
            at_once: AtOnce::new(),
            accepted: 0,
            next: 0,
            farewell: Farewell::NotYet,
            timer: Deadline::default(),
        };
        let ended = poll_fn(|cx| driver.poll(cx)).await;
        if let Err(Broken { code, text }) = ended {
            tracing::debug!(code, text, "an HTTP/3 connection has failed");
            conn.close_with_error(code, text.as_bytes());
        } else {
            conn.close_with_error(code::NO_ERROR, b"");
        }
        // Its streams go after the close, which would else not be the first that the client hears.
        drop(driver);
        // The network library sends the close in a task of its own, which may be the last of this
        // runtime.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    }
}

fn settings(exchanges: &Exchanges<()>) -> Settings {
    let limit = u64::try_from(exchanges.config().max_head_bytes).ok();
    Settings {
        max_field_section: limit.filter(|&limit| limit < NO_STREAM),
        extended_connect: exchanges.config().http3.extended_connect,
    }
}

struct Driver<'a, R, F> {
    conn: &'a Arc<dyn StreamConn>,
    exchanges: &'a Exchanges<()>,
    control: Control<'a>,
    calm: &'a Calm,
    /// Answers the request of a stream.
    request: R,
    at_once: AtOnce<F>,
    accepting: BoxFuture<'a, Result<Stream>>,
    /// Requests taken.
    accepted: u64,
    /// The number of the first stream that was not taken.
    next: u64,
    farewell: Farewell,
    timer: Deadline,
}

impl<R, F> Driver<'_, R, F>
where
    R: Fn(Stream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            self.control.poll(cx)?;
            self.calm.count_frames(self.control.take_idle_talk());
            if self.poll_accept(cx).is_ready() {
                // The network's own end: nothing is left to be told.
                return Poll::Ready(Ok(()));
            }
            if self.farewell == Farewell::NotYet {
                if self.exchanges.is_draining() {
                    self.announce();
                    continue;
                } else if self.is_used_up() {
                    self.say_last();
                    continue;
                }
            }
            let deadline = self.deadline(cx);
            self.timer.set(deadline);
            if self.timer.poll_passed(cx).is_pending() {
                return Poll::Pending;
            }
            match self.farewell {
                Farewell::NotYet => {
                    self.exchanges.count_timed_out();
                    self.say_last();
                }
                Farewell::Announced { .. } => self.say_last(),
                Farewell::Last { .. } => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Takes the streams that are there. Ready when the connection has ended.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut held = None;
        for _ in 0..MOST_IN_A_TURN {
            match self.accepting.as_mut().poll(cx) {
                Poll::Pending => {
                    self.at_once.tidy();
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "an HTTP/3 connection has ended");
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(stream)) => {
                    self.accepting = self.conn.accept_stream();
                    // Not idle between two of them: that would be a look at the clock for each.
                    held.get_or_insert_with(|| self.exchanges.hold());
                    self.begin(stream, cx);
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn begin(&mut self, mut stream: Stream, cx: &mut Context<'_>) {
        let id = stream.receive.id();
        if let Farewell::Last { begun, at } = self.farewell
            && id >= self.next
        {
            // RFC 9114 5.2: what comes after the last request may be sent again elsewhere.
            stream.receive.cancel_read(code::REQUEST_REJECTED);
            stream.send.cancel_write(code::REQUEST_REJECTED);
            // The client is to hear so before the connection is closed, if it does not go on.
            let longest = begun + self.exchanges.config().linger_timeout;
            let at = at.max((Instant::now() + self.notice()).min(longest));
            self.farewell = Farewell::Last { begun, at };
            return;
        }
        self.next = self.next.max(id + 4);
        self.accepted += 1;
        if let Some(rest) = self.at_once.begin((self.request)(stream), cx) {
            self.exchanges.spawn(rest);
        }
    }

    fn is_used_up(&self) -> bool {
        self.exchanges
            .config()
            .max_requests_per_connection
            .is_some_and(|most| self.accepted >= most)
    }

    /// A round trip and a half, more or less: what is under way to the server is there by then.
    fn notice(&self) -> Duration {
        let linger = self.exchanges.config().linger_timeout;
        (self.conn.stats().round_trip * 2).max(SHORTEST_NOTICE).min(linger)
    }

    fn announce(&mut self) {
        self.control.send_goaway(NO_STREAM);
        self.farewell = Farewell::Announced { at: Instant::now() + self.notice() };
    }

    fn say_last(&mut self) {
        self.control.send_goaway(self.next);
        let now = Instant::now();
        let begun = match self.farewell {
            Farewell::Announced { at } => at.min(now),
            _ => now,
        };
        self.farewell = Farewell::Last { begun, at: now + self.notice() };
    }

    /// By when a connection on which nothing happens takes its next step to its end: the first
    /// request has to be there in the time of a head, a further one in the idle time.
    fn deadline(&self, cx: &Context<'_>) -> Option<Instant> {
        if let Farewell::Announced { at } = self.farewell {
            return Some(at);
        }
        let since = self.exchanges.poll_idle_since(cx)?;
        let config = self.exchanges.config();
        match self.farewell {
            // Requests that end from the announcement on end when the client has all of them.
            Farewell::Last { begun, at } if since >= begun => Some(at),
            Farewell::Last { at, .. } => Some(at.max(since + config.linger_timeout)),
            _ if self.accepted == 0 => config.header_timeout.map(|timeout| since + timeout),
            _ => config.idle_timeout.map(|timeout| since + timeout),
        }
    }
}
