//! Responses that come before the request has been sent whole.

use dipole_http::{Body, BodyError};
use http::Method;
use http_body_util::BodyExt;

use crate::far::{OK, by_hand, good, near_and_far, piece, settle, text};

const HEAD: &str = "POST / HTTP/1.1\r\nhost: far\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn both_directions_stream_at_the_same_time() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect(HEAD).await;
    conn.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let mut body = good(asked).await.into_body();
    for _ in 0..3 {
        feed.send(piece("ping")).expect("the body is there");
        let answer = tokio::spawn(async move {
            let frame = body.frame().await.expect("a piece").expect("good");
            (frame.into_data().expect("data"), body)
        });
        conn.expect("4\r\nping\r\n").await;
        conn.send("4\r\npong\r\n").await;
        let (data, rest) = answer.await.expect("no panic");
        assert_eq!(data, "pong");
        body = rest;
    }
    drop(feed);
    let end = tokio::spawn(async move { body.frame().await.is_none() });
    conn.expect("0\r\n\r\n").await;
    conn.send("0\r\n\r\n").await;
    assert!(end.await.expect("no panic"));
    let asked = near.get();
    conn.expect(crate::far::GET).await;
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_response_waits_for_the_end_of_the_request() {
    for answer in [OK, "HTTP/1.1 204 No Content\r\n\r\n"] {
        let (near, mut far) = near_and_far();
        let (feed, body) = by_hand();
        let asked = near.method(Method::POST, body);
        let mut conn = far.accept().await;
        conn.expect(HEAD).await;
        conn.send(answer).await;
        let response = good(asked).await;
        let reading = tokio::spawn(async move { response.into_body().collect().await });
        feed.send(piece("late")).expect("the body is there");
        conn.expect("4\r\nlate\r\n").await;
        settle().await;
        assert!(!reading.is_finished());
        drop(feed);
        conn.expect("0\r\n\r\n").await;
        reading.await.expect("no panic").expect("a whole body");
        // And the connection is good for another request.
        let asked = near.get();
        conn.expect(crate::far::GET).await;
        conn.send(OK).await;
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_closes_ends_the_sending() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect(HEAD).await;
    conn.send(
        "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nno\n",
    )
    .await;
    let response = good(asked).await;
    assert_eq!(response.status(), 413);
    assert_eq!(text(response).await, "no\n");
    assert!(feed.send(piece("x")).is_ok() || feed.is_closed());
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_response_is_read_though_the_server_takes_no_more() {
    let (near, mut far) = near_and_far();
    let asked = near.method(Method::POST, Body::from(vec![b'x'; 8 << 20]));
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ncontent-length: 8388608\r\n\r\n").await;
    conn.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await;
    let response = good(asked).await;
    conn.send("llo").await;
    drop(conn);
    assert_eq!(text(response).await, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_fails_late_ends_the_response() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect(HEAD).await;
    conn.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe").await;
    let response = good(asked).await;
    feed.send(Err(BodyError::of("the file is gone"))).expect("the body is there");
    let error = response.into_body().collect().await.expect_err("the request failed");
    assert!(matches!(error, BodyError::Other(_)), "{error}");
    assert_eq!(error.to_string(), "the file is gone", "it says why");
    assert_eq!(conn.conn_error().await, dipole_net::ErrorKind::Reset);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_response_ends_the_sending() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect(HEAD).await;
    conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    drop(good(asked).await);
    feed.closed().await;
    conn.expect_closed().await;
}
