//! HTTP/1.1, HTTP/2 and upgrades, with and without TLS, over every library of byte streams.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::response::Response;
use axum::routing::{any, post};
use dipole::net::{Dialer, Transport};
use dipole::sim::Network;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, for_http};
use dipole::tokio::Tokio;
use dipole::{Body, Client, ClientConfig, ProtocolChoice, Server};
use futures_util::future::join_all;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Version};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Requests at a time.
const TOGETHER: usize = 100;

fn app() -> Router {
    let echo = post(|body: axum::body::Bytes| async move { body });
    Router::new().route("/echo", echo).route("/socket", any(socket))
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

/// Runs all scenarios on a library that listens on `addr`.
async fn everything<L>(library: L, addr: &str, pause: Duration)
where
    L: Transport + Dialer + Clone + 'static,
{
    let now = SystemTime::now();
    let authority = Authority::new("an authority", now - DAY..now + DAY).expect("keys");
    let issued = authority.issue(&["127.0.0.1", "10.0.0.1"], now - DAY..now + DAY).expect("keys");
    let server_tls = ServerTls::new(&for_http(issued.identity)).expect("a server");
    let mut options = ClientTlsOptions::default();
    options.roots = authority.roots();
    let client_tls = ClientTls::new(&options).expect("a client");

    for scheme in ["http", "https"] {
        let server = Server::new(app());
        let server = match scheme {
            "http" => server.listen(addr, library.clone()),
            _ => server.listen(addr, server_tls.over(library.clone())),
        };
        let server = server.spawn().expect("it listens");
        let origin = format!("{scheme}://{}", server.local_addrs()[0]);
        for (choice, version) in
            [(ProtocolChoice::Http1, Version::HTTP_11), (ProtocolChoice::Http2, Version::HTTP_2)]
        {
            let mut config = ClientConfig::default();
            config.protocol = choice;
            let builder = Client::builder().with_dialer(library.clone());
            let client = builder.with_tls(client_tls.clone()).config(config).build();
            echoes(&client, &origin, version).await;
            talks(&client, &origin, version, pause).await;
        }
        assert_eq!(server.stats().panics, 0);
    }
}

async fn echoes(client: &Client, origin: &str, version: Version) {
    join_all((0..TOGETHER).map(async |number| {
        let sent: Vec<u8> = (0..number * 1000).map(|at| (at % 251) as u8).collect();
        let request = Request::post(format!("{origin}/echo")).body(Body::from(sent.clone()));
        let response = client.request(request.expect("a request")).await.expect("an answer");
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
        let got = response.into_body().into_bytes(1 << 20).await.expect("a body");
        assert!(got == sent, "{} bytes of {}", got.len(), sent.len());
    }))
    .await;
}

/// A WebSocket: by an upgrade (RFC 6455), or by extended CONNECT (RFC 8441).
async fn talks(client: &Client, origin: &str, version: Version, pause: Duration) {
    let request = Request::builder().uri(format!("{origin}/socket"));
    let request = request.header("sec-websocket-version", "13");
    let request = match version {
        Version::HTTP_2 => request
            .method(Method::CONNECT)
            .extension(hyper::ext::Protocol::from_static("websocket")),
        _ => request
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    };
    let request = request.body(Body::empty()).expect("a request");
    let response = client.request(request).await.expect("an answer");
    let expected = if version == Version::HTTP_2 { 200 } else { 101 };
    assert_eq!((response.status().as_u16(), response.version()), (expected, version));
    let upgraded = hyper::upgrade::on(response).await.expect("an upgrade");
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    for size in [0, 1, 125, 126, 70_000] {
        let message = Message::text("x".repeat(size));
        socket.send(message.clone()).await.expect("the server is there");
        assert_eq!(socket.next().await.expect("an echo").expect("no fault"), message);
        tokio::time::sleep(pause).await;
    }
    socket.close(None).await.expect("the server is there");
}

fn run(is_paused: bool, test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(is_paused).build().expect("a runtime");
    let limited = async { tokio::time::timeout(3 * DAY, test).await };
    runtime.block_on(limited).expect("it ends");
}

#[test]
fn on_the_simulated_network_also_after_long_pauses() {
    // Longer than idle connections are kept at either end.
    run(true, everything(Network::default(), "10.0.0.1:0", Duration::from_secs(1000)));
}

#[test]
fn on_tokio() {
    run(false, everything(Tokio::new(), "127.0.0.1:0", Duration::ZERO));
}

#[cfg(all(target_os = "linux", feature = "uring"))]
#[test]
fn on_io_uring() {
    match dipole::uring::Uring::new() {
        Ok(uring) => run(false, everything(uring, "127.0.0.1:0", Duration::ZERO)),
        Err(error) => println!("NOT TRIED: {error}"),
    }
}
