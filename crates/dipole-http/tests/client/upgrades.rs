//! Requests that turn their connection into something else.

use dipole_http::{Body, Client, ClientErrorKind};
use dipole_io::AsyncConn;
use futures_util::{SinkExt, StreamExt};
use http::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::far::{Near, bad, good, near_and_far, text};

fn upgrade() -> Request<Body> {
    let request = Request::get("http://far/").header("upgrade", "echo");
    request.header("connection", "upgrade").body(Body::empty()).expect("a request")
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: far\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_connection_becomes_what_both_agree_on() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(upgrade());
    let mut conn = far.accept().await;
    conn.expect(UPGRADE).await;
    // What comes with the answer belongs to the new protocol already.
    conn.send(format!("{SWITCH}first")).await;
    let response = good(asked).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut upgraded = TokioIo::new(hyper::upgrade::on(response).await.expect("an upgrade"));
    let mut first = [0; 5];
    upgraded.read_exact(&mut first).await.expect("what came with the answer");
    assert_eq!(&first, b"first");
    upgraded.write_all(b"second").await.expect("the far end is there");
    upgraded.flush().await.expect("the far end is there");
    conn.expect("second").await;
    drop(upgraded);
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_talks_over_it() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(upgrade());
    let mut conn = far.accept().await;
    conn.expect(UPGRADE).await;
    conn.send(SWITCH).await;
    let upgraded = hyper::upgrade::on(good(asked).await).await.expect("an upgrade");
    let near = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None);
    let far = WebSocketStream::from_raw_socket(AsyncConn::new(conn.conn), Role::Server, None);
    let (mut near, mut far) = (near.await, far.await);
    let echo = tokio::spawn(async move {
        while let Some(Ok(message)) = far.next().await {
            if message.is_close() {
                break;
            }
            far.send(message).await.expect("the client is there");
        }
    });
    for size in [0, 1, 125, 126, 70_000] {
        let message = Message::text("x".repeat(size));
        near.send(message.clone()).await.expect("the server is there");
        assert_eq!(near.next().await.expect("an echo").expect("no fault"), message);
    }
    near.close(None).await.expect("the server is there");
    echo.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_agree_answers_as_always() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(upgrade());
    let mut conn = far.accept().await;
    conn.expect(UPGRADE).await;
    conn.send("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 2\r\n\r\nno").await;
    let response = good(asked).await;
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(text(response).await, "no");
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_before_the_answer_is_an_error() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(upgrade());
    let mut conn = far.accept().await;
    conn.expect(UPGRADE).await;
    drop(conn);
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_closes_its_connection() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(upgrade());
    let mut conn = far.accept().await;
    conn.expect(UPGRADE).await;
    asked.abort();
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_makes_a_tunnel() {
    let (Near { network, .. }, mut far) = near_and_far();
    let addr: dipole_net::Addr = "far:80".parse().expect("an address");
    let client = Client::builder().with_dialer(network.clone()).address(addr).build();
    let near = Near { client, network };
    let request = Request::connect("target:443").body(Body::empty()).expect("a request");
    let asked = near.ask(request);
    let mut conn = far.accept().await;
    conn.expect("CONNECT target:443 HTTP/1.1\r\nhost: target:443\r\n\r\n").await;
    conn.send("HTTP/1.1 200 OK\r\n\r\n").await;
    let upgraded = hyper::upgrade::on(good(asked).await).await.expect("a tunnel");
    let mut upgraded = TokioIo::new(upgraded);
    upgraded.write_all(b"hello").await.expect("the far end is there");
    upgraded.flush().await.expect("the far end is there");
    conn.expect("hello").await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_without_a_proxy_is_none() {
    let (near, _far) = near_and_far();
    let request = Request::connect("target:443").body(Body::empty()).expect("a request");
    assert_eq!(bad(near.ask(request)).await.kind(), ClientErrorKind::Request);
}
