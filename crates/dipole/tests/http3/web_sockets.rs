//! WebSocket over HTTP/3 (RFC 9220): axum's at the server, tungstenite's at the client.

use std::time::Duration;

use axum::Router;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::Message as AxumMessage;
use axum::response::Response;
use axum::routing::any;
use dipole::net::{Dialer, ListenOptions, Transport};
use dipole::quinn::Quinn;
use dipole::s2n::S2n;
use dipole::tls::{ClientTls, ServerTls};
use dipole::{Body, Drained};
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Version};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::{PATIENCE, site};

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_axums_web_sockets_echo_what_they_get() {
    timeout(PATIENCE, echo(Quinn::new)).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_axums_web_sockets_echo_what_they_get() {
    timeout(PATIENCE, echo(S2n::new)).await.expect("in time");
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            // To read on answers a close frame.
            if !matches!(message, AxumMessage::Close(_)) && socket.send(message).await.is_err() {
                break;
            }
        }
    })
}

async fn echo<L>(library: fn(ServerTls, ClientTls) -> L)
where
    L: Transport + Dialer + Clone + 'static,
{
    let router = Router::new().route("/socket", any(socket));
    let site = site(library, router, ListenOptions::default(), |_| {});
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("{}socket", site.url))
        .header("sec-websocket-version", "13")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Body::empty());
    let response = site.client.request(request.expect("a request")).await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_3));
    let upgraded = hyper::upgrade::on(response).await.expect("an upgrade");
    let io = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    for size in [0, 1, 125, 126, 70_000, 4 << 20] {
        let message = Message::text("x".repeat(size));
        socket.send(message.clone()).await.expect("the server is there");
        let answer = socket.next().await.expect("an echo").expect("no fault");
        assert!(answer == message, "{size}");
    }
    socket.close(None).await.expect("the server is there");
    // The server's own close, and then the end of the stream.
    while let Some(message) = socket.next().await {
        assert!(message.expect("no fault").is_close());
    }
    assert_eq!(site.server.shutdown(Duration::from_secs(10)).await, Drained::Whole);
}
