//! Whether a connection goes on after an answer (RFC 9112 section 9.3).

use dipole_http::Body;
use dipole_net::ConnExt;
use http::{Request, Response, header};

use crate::support::{End, Site, handler, ms, settle, text, watched};

fn hello() -> impl dipole_http::HttpService {
    handler(async |request: Request<Body>| text(request.uri().path()))
}

#[tokio::test(start_paused = true)]
async fn a_connection_answers_one_request_after_the_other() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    for path in ["/a", "/bc", "/"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        let length = path.len().to_string();
        peer.ask(request).await.expect(200, &[("content-length", &length)], path);
    }
    assert_eq!(site.server.stats().requests, 3);
    assert_eq!(site.server.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_these_bytes_and_no_others() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    peer.send("GET /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let (answer, end) = peer.rest().await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a blank line");
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    let expected = ["HTTP/1.1 200 OK", "connection: close", "content-length: 2", "date: <date>"];
    assert_eq!((&*lines, body, end), (&expected[..], "/x", End::Eof));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_to_close_is_told_so_and_the_connection_ends() {
    for option in ["close", "Close", "foo, close", "close,foo", "keep-alive, close"] {
        let site = Site::new(hello());
        let mut peer = site.connect().await;
        let request = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: {option}\r\n\r\n");
        let answer = peer.ask(request + "GET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        answer.expect(200, &[("connection", "close"), ("content-length", "1")], "/");
        peer.expect_end().await;
        assert_eq!(site.server.stats().requests, 1, "{option}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_that_it_sends_no_more_is_not_waited_for() {
    for request in
        ["GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"]
    {
        let site = Site::new(hello());
        let mut peer = site.connect().await;
        let fields = [("connection", "close"), ("content-length", "1")];
        peer.ask(request).await.expect(200, &fields, "/");
        settle().await;
        assert_eq!(site.server.stats().open_connections, 0);
        peer.expect_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_asks_to_close_ends_the_connection() {
    let site = Site::new(handler(async |_| {
        let fields = Response::builder().header(header::CONNECTION, "close");
        fields.body(Body::from("bye")).expect("a response")
    }));
    let mut peer = site.connect().await;
    let answer = peer.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    answer.expect(200, &[("connection", "close"), ("content-length", "3")], "bye");
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn an_old_client_is_answered_and_its_connection_ends() {
    let site = Site::new(hello());
    for request in ["GET /old HTTP/1.0\r\n\r\n", "GET /old HTTP/1.0\r\nhost: a\r\n\r\n"] {
        let mut peer = site.connect().await;
        let answer = peer.ask(request).await;
        answer.expect(200, &[("connection", "close"), ("content-length", "4")], "/old");
        peer.expect_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_client_that_asks_to_go_on_is_told_that_it_may() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    for _ in 0..3 {
        let answer = peer.ask("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").await;
        answer.expect(200, &[("connection", "keep-alive"), ("content-length", "1")], "/");
    }
    peer.expect_silence(ms(1000)).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_length_to_an_old_client_ends_with_the_connection() {
    let site = Site::new(handler(async |_| {
        let (feed, body) = crate::support::by_hand();
        feed.data("ab");
        feed.data("cd");
        feed.trailer("x", "y");
        Response::new(body)
    }));
    let mut peer = site.connect().await;
    let answer = peer.ask("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    answer.expect(200, &[("connection", "close")], "abcd");
    assert_eq!(answer.chunks, None);
}

#[tokio::test(start_paused = true)]
async fn a_later_minor_version_is_answered_as_1_1() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        let answer = peer.ask("GET / HTTP/1.7\r\nhost: a\r\n\r\n").await;
        answer.expect(200, &[("content-length", "1")], "/");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_lines_before_a_request_are_ignored() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        let answer = peer.ask("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        answer.expect(200, &[("content-length", "1")], "/");
    }
}

/// Some clients send one after a body (RFC 9112 section 2.2).
#[tokio::test(start_paused = true)]
async fn an_empty_line_after_a_request_is_not_answered() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    let answer = peer.ask("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab\r\n").await;
    answer.expect(200, &[("content-length", "1")], "/");
    // Whatever deadline ends the connection, there is no request that an answer could be to.
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_side_between_requests_is_let_go() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    peer.ask("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    peer.half_close().await;
    peer.expect_end_after(ms(0)).await;
    assert_eq!(site.server.stats().open_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_and_the_end_that_come_together_are_answered() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    peer.conn.put(b"GET /last HTTP/1.1\r\nhost: a\r\n\r\n");
    peer.half_close().await;
    peer.answer().await.expect(200, &[("content-length", "5")], "/last");
    peer.expect_end().await;
}

/// Ten thousand idle connections have nothing to read, and so need nothing to hold it.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_read_buffer() {
    let (seen, mut peer) = watched(hello()).await;
    for request in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000)),
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc".to_owned(),
    ] {
        peer.ask(request).await.expect(200, &[("content-length", "1")], "/");
        settle().await;
        assert_eq!(seen.last_input_memory(), 0);
    }
    assert!(seen.most_input_memory() > 20_000);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_given_its_buffer_back() {
    let (seen, mut peer) = watched(hello()).await;
    for _ in 0..3 {
        peer.ask("GET /x HTTP/1.1\r\nhost: a\r\n\r\n").await;
        settle().await;
        assert_eq!(seen.hoarding_waits(), 0);
    }
}
