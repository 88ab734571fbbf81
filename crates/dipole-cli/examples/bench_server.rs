//! A server to be measured: `GET /` 13 bytes, `POST /echo`, `GET /64k`, `GET /1m`, `GET /slow?ms=N`.
//!
//! `cargo run --release --example bench_server -- --listen 127.0.0.1:0 --network tokio --workers 1`

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use dipole::net::{Addr, ListenOptions, Transport};
use dipole::{Body, Server};
use dipole_cli::Failure;
use dipole_cli::networks::Listening;
use dipole_cli::tls::{ServedTls, TlsArgs};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};

/// A server to be measured.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; may be repeated
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8888")]
    listen: Vec<Addr>,
    /// The network library to listen with
    #[arg(long, value_name = "NAME", default_value = "tokio")]
    network: String,
    /// Serve HTTP/3 as well, on the UDP port of the same number; needs --tls or --cert
    #[arg(long)]
    http3: bool,
    #[command(flatten)]
    tls: TlsArgs,
    /// Threads that serve; 0 is one for each core
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    let tls = args.tls.served()?;
    let http3 = args.http3.then(|| ServedTls::for_http3(tls.as_ref())).transpose()?;
    let Listening { network, quic } = Listening::of(&args.network, http3)?;
    let mebibyte = Bytes::from(vec![b'x'; 1 << 20]);
    let service = tower::service_fn(move |request| answer(request, mebibyte.clone()));
    let mut server = Server::new(service).workers(args.workers);
    let mut names = Vec::new();
    for addr in &args.listen {
        let transport = network.transport.clone();
        let transport: Arc<dyn Transport> = match tls.as_ref().map(ServedTls::server) {
            Some(tls) => Arc::new(tls.over(transport)),
            None => transport,
        };
        server = server.listen_with(addr.clone(), transport, ListenOptions::default());
        names.push(network.name);
        if let Some(quic) = &quic {
            server = server.with_alt_transport(Arc::clone(&quic.transport));
            names.push(quic.name);
        }
    }
    let server = server.start().map_err(Failure::job)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    for (addr, name) in server.local_addrs().iter().zip(names) {
        println!("listening on {scheme}://{addr} ({name})");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(Failure::job)?;
    runtime.block_on(server.wait());
    Ok(())
}

async fn answer(
    request: Request<Body>,
    mebibyte: Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => response("text/plain", Bytes::from_static(b"Hello, World!")),
        (&Method::GET, "/1m") => response("application/octet-stream", mebibyte),
        (&Method::POST, "/echo") => match request.into_body().collect().await {
            Ok(body) => response("application/octet-stream", body.to_bytes()),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        (&Method::GET, "/slow") => match milliseconds(request.uri().query()) {
            Some(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                response("text/plain", Bytes::from_static(b"late"))
            }
            None => status(StatusCode::BAD_REQUEST),
        },
        _ => status(StatusCode::NOT_FOUND),
    })
}

/// The number in `ms=N`.
fn milliseconds(query: Option<&str>) -> Option<u64> {
    query?.split('&').find_map(|field| field.strip_prefix("ms="))?.parse().ok()
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
