//! The handler of the servers that take a plain service: hyper, Dipole, and the floor of `http`.

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;

use crate::{BINARY, HELLO, TEXT, mebibyte};

/// `GET /`, `POST /echo` and `GET /1m`; everything else is a 404.
pub async fn answer<B: Body>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => response(TEXT, Bytes::from_static(HELLO.as_bytes())),
        (&Method::GET, "/1m") => response(BINARY, mebibyte()),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => response(BINARY, body.to_bytes()),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        _ => status(StatusCode::NOT_FOUND),
    })
}

fn response(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}
