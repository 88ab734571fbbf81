//! A request that asks for an upgrade, served by hyper's end of HTTP/1.1.
//!
//! The handler gets what it knows from hyper: `hyper::upgrade::on` and axum's `WebSocketUpgrade`
//! give it the connection. One request is served so; an answer that is no upgrade is the last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;

use dipole_net::{Closer, Conn};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;

use crate::runtime::{ConnIo, TokioTimer};
use crate::server::{AnswerBody, Exchanges, Session};
use crate::{HttpService, ServerConfig, WhenClientLeaves};

/// hyper's smallest buffer.
const LEAST_BUFFER: usize = 8192;

/// Serves the one request, of which nothing was consumed, and stays until the connection has ended,
/// whoever has it then. Dropping the future closes the connection.
pub(super) async fn serve<S: HttpService>(mut conn: Box<dyn Conn>, session: Session<S>) {
    let _closing = Closing(conn.closer());
    let (io, ended) = ConnIo::to_upgrade(conn, session.config().write_timeout);
    let builder = builder(session.config());
    let exchanges = session.exchanges();
    let service = service_fn(move |request| answer(exchanges.clone(), request));
    {
        let mut served = pin!(builder.serve_connection(io, service).with_upgrades());
        if let Err(error) = poll_fn(|cx| served.as_mut().poll(cx)).await {
            tracing::debug!(%error, "a connection that was to be upgraded has failed");
        }
    }
    ended.await;
}

async fn answer<S: HttpService>(
    exchanges: Exchanges<S>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody<S::ResponseBody>>, Infallible> {
    let is_connect = request.method() == Method::CONNECT;
    let mut response = exchanges.answer(request).await;
    let status = response.status();
    let is_upgrade =
        status == StatusCode::SWITCHING_PROTOCOLS || (is_connect && status.is_success());
    if !is_upgrade {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

fn builder(config: &ServerConfig) -> Builder {
    let mut builder = Builder::new();
    builder
        .timer(TokioTimer)
        .half_close(config.when_client_leaves == WhenClientLeaves::FinishHandler)
        .header_read_timeout(config.header_timeout)
        .max_headers(config.max_headers)
        .max_buf_size(LEAST_BUFFER.max(config.max_head_bytes).saturating_mul(2));
    builder
}

/// Closes the connection when dropped, also one that a handler has.
struct Closing(Closer);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
