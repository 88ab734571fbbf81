//! Dipole's TLS over its tokio network library: a plain tower service, one worker.

use std::convert::Infallible;

use bytes::Bytes;
use compare::{BINARY, HELLO, TEXT};
use dipole::tls::{Identity, ServerTls, ServerTlsOptions};
use dipole::tokio::Tokio;
use dipole::{Body, Server};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Full;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (certificate, key) = compare::certificate();
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;
    let tls = ServerTls::new(&ServerTlsOptions::new(identity))?;
    // On this thread and no other, as hyper is here.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::new(tower::service_fn(answer))
            .listen(compare::listen_address(), tls.over(Tokio::new()))
            .workers(1)
            .spawn()?;
        compare::announce(server.local_addrs()[0].ip().expect("it listens on TCP"), "dipole_tls");
        server.wait().await;
        Ok(())
    })
}

async fn answer(request: Request<Body>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/" => response(TEXT, Bytes::from_static(HELLO.as_bytes())),
        "/64k" => response(BINARY, compare::mebibyte().slice(..64 * 1024)),
        "/1m" => response(BINARY, compare::mebibyte()),
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
