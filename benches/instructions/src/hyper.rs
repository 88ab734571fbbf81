//! hyper's HTTP/1 connection, as ../compare sets it up.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use crate::scenario::{BINARY, HELLO, TEXT};
use crate::{Prepared, Scenario};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    Prepared::new(
        |client| {
            let connection = http.serve_connection(TokioIo::new(client), service_fn(answer));
            Box::pin(async { connection.await.expect("the client does not break off") })
        },
        scenario,
        batches,
    )
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => response(TEXT, Bytes::from_static(HELLO.as_bytes())),
        (&Method::POST, "/echo") => {
            let body = request
                .into_body()
                .collect()
                .await
                .expect("the client sends it whole");
            response(BINARY, body.to_bytes())
        }
        _ => unreachable!("no scenario asks for anything else"),
    })
}

fn response(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
