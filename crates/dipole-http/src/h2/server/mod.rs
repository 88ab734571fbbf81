//! HTTP/2 (RFC 9113), the server's end of a connection: hyper's, with the server's deadlines.
//!
//! [`serve`] is the connection's task. hyper reads and writes frames in it, and gives each request
//! to [`Requests`] (`requests.rs`), which looks at its target (`target.rs`), and whose answer runs as a task of its own (`streams.rs`). What of
//! frames hyper does not bound is counted beneath it (`calm.rs`).

mod calm;
mod frames;
mod requests;
mod streams;
mod target;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use dipole_net::{BoxFuture, Connection};
use hyper::server::conn::http2::Builder;
use tokio::time::Instant;

use self::calm::Calm;
use self::requests::Requests;
use self::streams::Streams;
use crate::runtime::{ConnIo, TokioTimer};
use crate::server::{Deadline, Exchanges, HTTP2, Protocol, Session};
use crate::{HttpService, ServerConfig};

/// HTTP/2 as a protocol of the server.
pub(crate) struct Http2;

impl<S: HttpService> Protocol<S> for Http2 {
    fn alpn(&self) -> &[u8] {
        HTTP2
    }

    fn serve(&self, connection: Connection, session: Session<S>) -> BoxFuture<'static, ()> {
        match connection.into_bytes() {
            Some(conn) => {
                let io = ConnIo::new(conn, session.config().write_timeout);
                let exchanges = session.exchanges();
                Box::pin(serve(Calm::new(io, exchanges.clone()), exchanges))
            }
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// How long an idle connection may still take, once it was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// It was told nothing yet.
    NotYet,
    /// GOAWAY is sent; by then the connection ends, unless requests run.
    Until(Instant),
}

/// Serves requests until either side ends the connection or the server drains.
async fn serve<S: HttpService>(io: Calm<S>, exchanges: Exchanges<S>) {
    let streams = Streams::new(exchanges.clone());
    let builder = builder(exchanges.config(), streams.clone());
    let mut connection =
        pin!(builder.serve_connection(io, Requests::new(exchanges.clone(), streams)));
    let mut timer = Deadline::default();
    let mut farewell = Farewell::NotYet;
    poll_fn(move |cx| {
        loop {
            if farewell == Farewell::NotYet && (exchanges.is_draining() || exchanges.is_used_up()) {
                farewell = begin_farewell(exchanges.config().linger_timeout);
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTP/2 connection has failed");
                }
                return Poll::Ready(());
            }
            timer.set(idle_deadline(&exchanges, farewell, exchanges.poll_idle_since(cx)));
            if timer.poll_passed(cx).is_pending() {
                return Poll::Pending;
            }
            match farewell {
                Farewell::NotYet => {
                    exchanges.count_timed_out();
                    farewell = begin_farewell(exchanges.config().linger_timeout);
                    connection.as_mut().graceful_shutdown();
                }
                Farewell::Until(_) => return Poll::Ready(()),
            }
        }
    })
    .await;
}

fn begin_farewell(linger: Duration) -> Farewell {
    Farewell::Until(Instant::now() + linger)
}

/// By when a connection on which nothing happens ends: the first request has to be there in the
/// time of a head, a further one in the idle time.
fn idle_deadline<S: HttpService>(
    exchanges: &Exchanges<S>,
    farewell: Farewell,
    idle_since: Option<Instant>,
) -> Option<Instant> {
    let since = idle_since?;
    let config = exchanges.config();
    match farewell {
        Farewell::Until(at) => Some(at.max(since + config.linger_timeout)),
        Farewell::NotYet if exchanges.requests() == 0 => {
            config.header_timeout.map(|timeout| since + timeout)
        }
        Farewell::NotYet => config.idle_timeout.map(|timeout| since + timeout),
    }
}

fn builder<S: HttpService>(config: &ServerConfig, streams: Streams<S>) -> Builder<Streams<S>> {
    let limits = &config.http2;
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer)
        .max_concurrent_streams(limits.max_concurrent_streams)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_frame_size(limits.max_frame_size)
        .max_send_buf_size(limits.max_send_buffer)
        .header_table_size(limits.header_table_size)
        .max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.keep_alive_interval)
        .keep_alive_timeout(limits.keep_alive_timeout)
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .max_local_error_reset_streams(limits.max_error_resets);
    if limits.adaptive_window {
        builder.adaptive_window(true);
    }
    if limits.extended_connect {
        builder.enable_connect_protocol();
    }
    builder
}
