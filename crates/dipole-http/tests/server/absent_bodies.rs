//! Answers that have no body, whatever the handler gives (RFC 9110 sections 9.3.2, 15.3.5, 15.4.5).

use dipole_http::Body;
use http::{Method, Request, Response, StatusCode, header};

use crate::support::{Site, by_hand, handler, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn head_has_the_length_of_get_and_no_body() {
    let site = Site::new(handler(async |_| text("hello")));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(HEAD).await;
        peer.answer_to_head().await.expect(200, &[("content-length", "5")], "");
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
}

#[tokio::test(start_paused = true)]
async fn head_keeps_the_length_that_a_handler_without_a_body_gives() {
    let site = Site::new(handler(async |request: Request<Body>| {
        assert_eq!(request.method(), Method::HEAD);
        let fields = Response::builder().header(header::CONTENT_LENGTH, 1_000_000);
        fields.body(Body::empty()).expect("a response")
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(HEAD).await;
        peer.answer_to_head().await.expect(200, &[("content-length", "1000000")], "");
    }
}

#[tokio::test(start_paused = true)]
async fn head_of_a_streamed_answer_does_not_wait_for_its_body() {
    let site = Site::new(handler(async |_| {
        let (feed, body) = by_hand();
        tokio::spawn(async move { feed.dropped().await });
        Response::new(body)
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(HEAD).await;
        let answer = peer.answer_to_head().await;
        assert_eq!(answer.status, 200);
        assert!(answer.body.is_empty() && !answer.closes());
    }
}

#[tokio::test(start_paused = true)]
async fn no_content_and_not_modified_have_neither_a_body_nor_a_length() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        for body in ["", "this is not sent"] {
            let site = Site::new(handler(move |_| async move {
                let mut answer = text(body);
                *answer.status_mut() = status;
                answer
            }));
            let mut peer = site.connect().await;
            for _ in 0..2 {
                peer.ask(GET).await.expect(status.as_u16(), &[], "");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_says_that_it_is_empty() {
    let site = Site::new(handler(async |_| Response::new(Body::empty())));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.ask(GET).await.expect(200, &[("content-length", "0")], "");
    }
}

#[tokio::test(start_paused = true)]
async fn old_clients_have_heads_without_bodies_too() {
    let site = Site::new(handler(async |_| text("hello")));
    let mut peer = site.connect().await;
    peer.send("HEAD / HTTP/1.0\r\n\r\n").await;
    let answer = peer.answer_to_head().await;
    answer.expect(200, &[("connection", "close"), ("content-length", "5")], "");
    peer.expect_end().await;
}
