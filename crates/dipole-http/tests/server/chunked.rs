//! The chunked coding and its trailers, both ways (RFC 9112 section 7.1).

use bytes::Bytes;
use dipole_http::{Body, BodyError};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, BodyStream, StreamBody};

use crate::support::{Calls, Site, by_hand, describe, handler, read_all, settle, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Answers with the whole request in words.
fn in_words() -> impl dipole_http::HttpService {
    handler(async |request| text(describe(request).await))
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_and_its_trailers_reach_the_handler() {
    let site = Site::new(in_words());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        let answer = peer
            .ask(
                "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                 5\r\nhello\r\n1;name=\"value\";x\r\n,\r\n000A\r\n wide world\r\n\
                 0\r\nX-Sum: 17\r\nx-sum:\t18 \r\n\r\n"
                    .replace(" wide world", " wide worl"),
            )
            .await;
        assert_eq!(
            answer.text(),
            "POST / HTTP/1.1 | host: a | transfer-encoding: chunked | hello, wide worl \
             | x-sum: 17 | x-sum: 18"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_chunk_is_read_as_it_comes() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::new(handler(move |request: Request<Body>| {
        let calls = noted.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                match frame.expect("a good body").into_data() {
                    Ok(data) => calls.note(String::from_utf8_lossy(&data)),
                    Err(frame) => {
                        let trailers = frame.into_trailers().expect("trailers");
                        calls.note(format!("{} trailers", trailers.len()));
                    }
                }
            }
            calls.note("end");
            assert!(body.is_end_stream());
            assert!(body.frame().await.is_none(), "and it stays over");
            text("ok")
        }
    }));
    let mut peer = site.connect().await;
    peer.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let mut expected = Vec::new();
    for (bytes, seen) in [
        ("3\r\nabc", Some("abc")),
        ("\r\n", None),
        ("4\r\nd", Some("d")),
        ("ef", Some("ef")),
        ("g\r\n0\r\n", Some("g")),
        ("a: b\r\n", None),
    ] {
        peer.send(bytes).await;
        settle().await;
        expected.extend(seen);
        assert_eq!(calls.list(), expected);
    }
    peer.send("\r\n").await;
    peer.answer().await.expect(200, &[("content-length", "2")], "ok");
    expected.extend(["1 trailers", "end"]);
    assert_eq!(calls.list(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_size_of_a_body_is_known_where_its_head_tells_it() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let body = request.into_body();
        let hint = body.size_hint();
        let words = format!("{:?} {:?} {}", hint.lower(), hint.upper(), body.is_end_stream());
        read_all(body).await.expect("a good body");
        text(words)
    }));
    let mut peer = site.connect().await;
    for (head, body, expected) in [
        ("", "", "0 Some(0) true"),
        ("content-length: 0\r\n", "", "0 Some(0) true"),
        ("content-length: 3\r\n", "abc", "3 Some(3) false"),
        ("content-length: 100000\r\n", &"x".repeat(100_000), "100000 Some(100000) false"),
        ("transfer-encoding: chunked\r\n", "0\r\n\r\n", "0 None false"),
    ] {
        let answer = peer.ask(format!("POST / HTTP/1.1\r\nhost: a\r\n{head}\r\n{body}")).await;
        assert_eq!(answer.text(), expected, "{head:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_is_chunked_piece_by_piece_with_its_trailers() {
    let site = Site::new(handler(async |_| {
        let (feed, body) = by_hand();
        tokio::spawn(async move {
            for piece in ["one", "", "thirteen more"] {
                settle().await;
                feed.data(piece);
            }
            settle().await;
            feed.trailer("x-sum", "16");
        });
        Response::builder().header(header::TRAILER, "x-sum").body(body).expect("a response")
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        let answer = peer.ask(GET).await;
        let fields = [("trailer", "x-sum"), ("transfer-encoding", "chunked")];
        answer.expect(200, &fields, "onethirteen more");
        assert_eq!(answer.chunks.as_deref(), Some(&[3, 13][..]));
        assert_eq!(answer.trailers, [("x-sum".to_owned(), "16".to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_piece_of_a_streamed_answer_is_sent_as_it_comes() {
    let (feed, body) = by_hand();
    let body = std::sync::Mutex::new(Some(body));
    let body = std::sync::Arc::new(body);
    let site = Site::new(handler(move |_| {
        let body = body.lock().expect("nobody panics here").take();
        async { Response::new(body.expect("one request")) }
    }));
    let mut peer = site.connect().await;
    peer.send(GET).await;
    settle().await;
    let head = peer.so_far().await;
    assert!(head.ends_with("\r\n\r\n") && head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for (piece, sent) in [("a", "1\r\na\r\n"), ("0123456789abcdef", "10\r\n0123456789abcdef\r\n")] {
        feed.data(piece);
        settle().await;
        assert_eq!(peer.so_far().await, sent);
    }
    feed.trailer("t", "u");
    settle().await;
    assert_eq!(peer.so_far().await, "0\r\nt: u\r\n\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_stream_body_of_http_body_util_works_as_it_is() {
    let site = Site::new(handler(async |_| {
        let (feed, body) = by_hand();
        feed.data("ab");
        feed.data("cd");
        Response::new(StreamBody::new(BodyStream::new(body)))
    }));
    let mut peer = site.connect().await;
    let answer = peer.ask(GET).await;
    answer.expect(200, &[("transfer-encoding", "chunked")], "abcd");
}

#[tokio::test(start_paused = true)]
async fn trailers_that_would_change_the_message_are_not_sent() {
    let site = Site::new(handler(async |_| {
        let (feed, body) = by_hand();
        feed.data("x");
        feed.trailer("content-length", "3");
        Response::new(body)
    }));
    let mut peer = site.connect().await;
    let answer = peer.ask(GET).await;
    assert_eq!((answer.text(), &*answer.trailers), ("x", &[][..]));
}

#[tokio::test(start_paused = true)]
async fn trailers_of_a_body_with_a_length_are_left_out() {
    /// Says how long it is, and has trailers nevertheless.
    struct Sized(Vec<Frame<Bytes>>);

    impl http_body::Body for Sized {
        type Data = Bytes;
        type Error = BodyError;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            std::task::Poll::Ready(self.0.pop().map(Ok))
        }
        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(2)
        }
    }

    let site = Site::new(handler(async |_| {
        let trailers = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))]);
        Response::new(Sized(vec![Frame::trailers(trailers), Frame::data("ab".into())]))
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.ask(GET).await.expect(200, &[("content-length", "2")], "ab");
    }
}

/// A handler's own framing fields are never sent: it is the connection that frames.
#[tokio::test(start_paused = true)]
async fn framing_fields_of_a_handler_do_not_reach_the_wire() {
    let site = Site::new(handler(async |_| {
        let fields = Response::builder()
            .header(header::TRANSFER_ENCODING, "gzip, chunked")
            .header(header::CONTENT_LENGTH, "99")
            .header(header::CONNECTION, "x-other")
            .header("x-other", "1");
        fields.body(Body::from("four")).expect("a response")
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.ask(GET).await.expect(200, &[("content-length", "4"), ("x-other", "1")], "four");
    }
}
