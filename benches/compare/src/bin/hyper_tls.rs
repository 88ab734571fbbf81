//! hyper's HTTP/1 connection over tokio-rustls, used directly, on a current-thread tokio runtime.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use compare::{BINARY, HELLO, TEXT};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(Arc::new(config()?).into()))
}

/// As Dipole's: tickets, and no ALPN.
fn config() -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let (certificate, key) = compare::certificate();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(key.as_bytes())?,
        )?;
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

async fn serve(acceptor: TlsAcceptor) -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::from_std(compare::listen())?;
    compare::announce(listener.local_addr()?, "hyper_tls");
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, http) = (acceptor.clone(), http.clone());
        // A client that goes away ends its connection with an error, which concerns nobody here.
        tokio::spawn(async move {
            let stream = TokioIo::new(acceptor.accept(stream).await.ok()?);
            http.serve_connection(stream, service_fn(answer)).await.ok()
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
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
