//! Dipole with a plain tower service and one worker, on any of its network libraries.

use std::convert::Infallible;

use bytes::Bytes;
use dipole::net::Transport;
use dipole::{Body, Server};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::{BINARY, HELLO, TEXT};

/// Serves on this thread and no other, as hyper and axum do here, until the process is ended.
pub fn serve_here(
    transport: impl Transport + 'static,
    name: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::new(tower::service_fn(answer))
            .listen(crate::listen_address(), transport)
            .workers(1)
            .spawn()?;
        crate::announce(
            server.local_addrs()[0].ip().expect("it listens on TCP"),
            name,
        );
        server.wait().await;
        Ok(())
    })
}

/// Serves on a worker's own thread, which drives the library's event source, until the process is
/// ended.
pub fn serve(transport: impl Transport + 'static, name: &str) -> dipole::net::Result<()> {
    let server = Server::new(tower::service_fn(answer))
        .listen(crate::listen_address(), transport)
        .workers(1)
        .start()?;
    let address = server.local_addrs()[0].ip().expect("it listens on TCP");
    crate::announce(address, name);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(server.wait());
    Ok(())
}

async fn answer(request: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => response(TEXT, Bytes::from_static(HELLO.as_bytes())),
        (&Method::GET, "/1m") => response(BINARY, crate::mebibyte()),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => response(BINARY, body.to_bytes()),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        _ => status(StatusCode::NOT_FOUND),
    })
}

fn response(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn status(code: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    response
}
