//! HTTP/2 and upgrades on io_uring, asked by clients that are not ours.

use axum::Router;
use axum::body::Bytes;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::WebSocket;
use axum::routing::{any, get, post};
use futures_util::{SinkExt, StreamExt};
use http::Version;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::{client, serve};

fn body(number: usize) -> Vec<u8> {
    (0..100_000).map(|at| (at * (number + 1) % 251) as u8).collect()
}

#[test]
fn one_http_2_connection_carries_many_bodies_at_once() {
    let echo = Router::new().route("/", post(|body: Bytes| async { body }));
    let Some((server, addr)) = serve(|_| echo) else { return };
    client(async {
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        // The first of them dials; the others share its connection.
        for round in [1, 50] {
            let requests = (0..round).map(|number| {
                let request = http.post(format!("http://{addr}/")).body(body(number));
                tokio::spawn(request.send())
            });
            for (number, request) in requests.collect::<Vec<_>>().into_iter().enumerate() {
                let answer = request.await.unwrap().unwrap();
                assert_eq!(answer.version(), Version::HTTP_2);
                assert!(answer.bytes().await.unwrap() == body(number), "body {number}");
            }
        }
    });
    assert_eq!(server.stats().connections, 1);
}

#[test]
fn an_http_2_client_that_goes_leaves_nothing_under_way() {
    let app = Router::new().route("/", get(std::future::pending::<()>));
    let Some((server, addr)) = serve(|_| app) else { return };
    client(async {
        let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let request = tokio::spawn(http.get(format!("http://{addr}/")).send());
        while server.stats().requests == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        request.abort();
        drop((http, request.await));
        while server.stats().open_connections > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn a_web_socket_carries_messages_both_ways_and_closes() {
    async fn echo(mut socket: WebSocket) {
        while let Some(Ok(message)) = socket.recv().await {
            // Answered with the next read.
            if matches!(message, axum::extract::ws::Message::Close(_)) {
                continue;
            }
            if socket.send(message).await.is_err() {
                return;
            }
        }
    }
    let app = Router::new().route("/", any(|up: WebSocketUpgrade| async { up.on_upgrade(echo) }));
    let Some((server, addr)) = serve(|_| app) else { return };
    client(async {
        let stream = TcpStream::connect(addr).await.unwrap();
        let joined = tokio_tungstenite::client_async(format!("ws://{addr}/"), stream).await;
        let (mut socket, _) = joined.unwrap();
        for number in 0..30 {
            let sent = [Message::text("a few words"), Message::binary(body(number))];
            for message in sent.clone() {
                socket.send(message).await.unwrap();
            }
            for message in sent {
                assert!(socket.next().await.unwrap().unwrap() == message);
            }
        }
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
        while server.stats().open_connections > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
}
