//! `Expect: 100-continue` (RFC 9110 section 10.1.1).

use std::time::Duration;

use dipole_http::Body;
use http::Request;
use tokio::time::Instant;

use crate::far::{OK, bad, configured, good, near_and_far, text};

const HEAD: &str =
    "POST / HTTP/1.1\r\nhost: far\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";

fn request() -> Request<Body> {
    let request = Request::post("http://far/").header("expect", "100-continue");
    request.body(Body::from("hello")).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn the_body_comes_after_the_consent() {
    let (near, mut far) = configured(|config| config.continue_timeout = Duration::from_secs(60));
    let mut asked = near.ask(request());
    let mut conn = far.accept().await;
    for _ in 0..2 {
        conn.expect(HEAD).await;
        conn.expect_silence().await;
        conn.send("HTTP/1.1 103 Early Hints\r\n\r\n").await;
        conn.expect_silence().await;
        conn.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        conn.expect("hello").await;
        conn.send(OK).await;
        assert_eq!(text(good(asked).await).await, "hi");
        asked = near.ask(request());
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_does_not_wait_for_ever() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(request());
    let mut conn = far.accept().await;
    conn.expect(HEAD).await;
    let begin = Instant::now();
    conn.expect("hello").await;
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(999) && waited < Duration::from_millis(1010));
    // An answer to the expectation may still come.
    conn.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn the_body_is_not_sent_after_a_final_response() {
    for answer in [
        "HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno",
        "HTTP/1.1 401 Unauthorized\r\ntransfer-encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 413 Content Too Large\r\nconnection: close\r\n\r\nno",
    ] {
        let (near, mut far) = near_and_far();
        let asked = near.ask(request());
        let mut conn = far.accept().await;
        conn.expect(HEAD).await;
        conn.send(answer).await;
        let response = good(asked).await;
        assert!(response.status().is_client_error());
        if answer.contains("close") {
            conn.conn.close();
        }
        assert_eq!(text(response).await, "no");
        // The head announced a body that did not come: nothing can follow it.
        if !answer.contains("close") {
            conn.expect_closed().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_body_there_is_nothing_to_wait_for() {
    let (near, mut far) = configured(|config| {
        config.continue_timeout = Duration::from_secs(60);
        config.response_timeout = Some(Duration::from_secs(3));
    });
    let request = Request::get("http://far/").header("expect", "100-continue").body(Body::empty());
    let asked = near.ask(request.expect("a request"));
    let mut conn = far.accept().await;
    conn.expect("GET / HTTP/1.1\r\nhost: far\r\nexpect: 100-continue\r\n\r\n").await;
    let begin = Instant::now();
    assert!(bad(asked).await.is_timeout());
    assert!(begin.elapsed() < Duration::from_secs(4));
}
