//! `Expect: 100-continue` (RFC 9110 section 10.1.1).

use dipole_http::{Body, HttpService};
use http::{Request, Response, StatusCode};

use crate::support::{Calls, End, Site, describe, handler, read_all, secs, settle, text};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const HEAD: &str =
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";

fn reads() -> impl HttpService {
    handler(async |request: Request<Body>| {
        let (data, _) = read_all(request.into_body()).await.expect("a good body");
        text(String::from_utf8_lossy(&data))
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_is_told_to_go_on() {
    let site = Site::new(reads());
    let mut peer = site.connect().await;
    for expectation in ["100-continue", "100-Continue"] {
        peer.send(HEAD.replace("100-continue", expectation)).await;
        settle().await;
        assert_eq!(peer.so_far().await, CONTINUE);
        peer.ask("hello").await.expect(200, &[("content-length", "5")], "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_to_go_on_only_when_the_handler_reads() {
    let site = Site::new(handler(async |request: Request<Body>| {
        tokio::time::sleep(secs(10)).await;
        text(describe(request).await)
    }));
    let mut peer = site.connect().await;
    peer.send(HEAD).await;
    peer.expect_silence(secs(9)).await;
    tokio::time::sleep(secs(2)).await;
    assert_eq!(peer.so_far().await, CONTINUE);
    let answer = peer.ask("hello").await;
    assert!(answer.text().ends_with("| hello"), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_refuses_answers_without_it_and_the_connection_ends() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::new(handler(move |_: Request<Body>| {
        noted.note("call");
        async {
            let mut answer = text("no");
            *answer.status_mut() = StatusCode::FORBIDDEN;
            answer
        }
    }));
    let mut peer = site.connect().await;
    let answer = peer.ask(HEAD).await;
    answer.expect(403, &[("connection", "close"), ("content-length", "2")], "no");
    // Whether these are the body or a request nobody can know.
    peer.try_send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(peer.rest().await, (String::new(), End::Eof));
    assert_eq!(calls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_with_its_head_needs_no_word() {
    let site = Site::new(reads());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.ask(format!("{HEAD}hello")).await.expect(200, &[("content-length", "5")], "hello");
    }
}

/// The client did not wait: it is on its way already.
#[tokio::test(start_paused = true)]
async fn a_body_that_has_begun_to_come_needs_no_word() {
    let site = Site::new(reads());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(format!("{HEAD}hel")).await;
        peer.expect_silence(secs(1)).await;
        peer.ask("lo").await.expect(200, &[("content-length", "5")], "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_body_needs_no_word() {
    let site = Site::new(reads());
    let mut peer = site.connect().await;
    for length in ["", "content-length: 0\r\n"] {
        let request = format!("POST / HTTP/1.1\r\nhost: a\r\n{length}expect: 100-continue\r\n\r\n");
        peer.ask(request).await.expect(200, &[("content-length", "0")], "");
    }
}

/// RFC 9110 section 10.1.1: a server must ignore it in a request of HTTP/1.0.
#[tokio::test(start_paused = true)]
async fn an_old_client_is_never_told_to_go_on() {
    let site = Site::new(reads());
    let mut peer = site.connect().await;
    peer.send(HEAD.replace("HTTP/1.1", "HTTP/1.0")).await;
    peer.expect_silence(secs(1)).await;
    let answer = peer.ask("hello").await;
    answer.expect(200, &[("connection", "close"), ("content-length", "5")], "hello");
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_is_waited_for_the_same_way() {
    let site = Site::new(reads());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(HEAD.replace("content-length: 5", "transfer-encoding: chunked")).await;
        settle().await;
        assert_eq!(peer.so_far().await, CONTINUE);
        let answer = peer.ask("5\r\nhello\r\n0\r\n\r\n").await;
        answer.expect(200, &[("content-length", "5")], "hello");
    }
}

/// Nothing may come between the head of the answer and its body.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_read_while_the_answer_is_sent_is_asked_for_before_the_answer() {
    let site =
        Site::new(handler(async |request: Request<Body>| Response::new(request.into_body())));
    let mut peer = site.connect().await;
    peer.send(HEAD).await;
    let go_on = peer.answer().await;
    assert_eq!((go_on.status, &*go_on.fields), (100, &[][..]));
    peer.ask("hello").await.expect(200, &[("content-length", "5")], "hello");
    peer.ask(format!("{HEAD}again")).await.expect(200, &[("content-length", "5")], "again");
}

#[tokio::test(start_paused = true)]
async fn another_expectation_is_refused() {
    let site = Site::new(reads());
    for expectation in ["200-ok", "100-continue, x", "", "100"] {
        let mut peer = site.connect().await;
        peer.ask(HEAD.replace("100-continue", expectation)).await.expect_refusal(417);
        peer.expect_end().await;
    }
    assert_eq!(site.server.stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let site = Site::configured(reads(), |config| config.max_body_bytes = Some(4));
    let mut peer = site.connect().await;
    peer.ask(HEAD).await.expect_refusal(413);
    peer.expect_end().await;
    assert_eq!(site.server.stats().requests, 0);
}
