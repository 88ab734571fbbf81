//! The handler of every server here but the bare one.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};

use crate::scenario::{BINARY, HELLO, TEXT};

/// `GET /` and `POST /echo`.
pub(crate) async fn answer<B: Body>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => response(TEXT, Bytes::from_static(HELLO.as_bytes())),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => response(BINARY, body.to_bytes()),
            Err(_) => panic!("the client sends it whole"),
        },
        _ => unreachable!("no scenario asks for anything else"),
    })
}

fn response(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
