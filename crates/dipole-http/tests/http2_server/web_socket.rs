//! WebSocket over HTTP/2: extended CONNECT (RFC 8441).

use axum::Router;
use axum::routing::any;
use dipole_http::Drained;
use http::{Method, Request};
use tokio::time::{Instant, sleep};

use super::client::connect;
use crate::support::{Site, expect_on_time, secs, settle, shouting_socket, text_frame};

#[tokio::test(start_paused = true)]
async fn axums_web_sockets_work_unchanged_and_the_drain_counts_them() {
    let site = Site::new(Router::new().route("/socket", any(shouting_socket)));
    let (client, _) = connect(&site).await;
    settle().await;
    assert!(client.is_extended_connect_protocol_enabled());
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("http://a/socket")
        .header("sec-websocket-version", "13")
        .extension(h2::ext::Protocol::from_static("websocket"));
    let request = request.body(()).expect("a request");
    let mut client = client.ready().await.expect("ready");
    let (response, mut send) = client.send_request(request, false).expect("a stream");
    let mut answer = response.await.expect("an answer");
    assert_eq!(answer.status(), 200);
    for word in ["hello", "there"] {
        send.send_data(text_frame(word), false).expect("sent");
        let data = answer.body_mut().data().await.expect("data").expect("good");
        assert_eq!(&data[2..], word.to_uppercase().as_bytes());
        // Longer than an idle connection may be.
        sleep(secs(100)).await;
    }
    let (server, begin) = (site.server.clone(), Instant::now());
    let shutdown = tokio::spawn(async move { server.shutdown(secs(30)).await });
    sleep(secs(10)).await;
    send.send_data(text_frame("still"), false).expect("sent");
    assert_eq!(&answer.body_mut().data().await.expect("data").expect("good")[2..], b"STILL");
    assert_eq!(shutdown.await.expect("no panic"), Drained::CutShort);
    expect_on_time(begin, secs(30));
    assert_eq!(site.server.stats().open_connections, 0);
}
