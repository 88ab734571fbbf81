//! What a request is on the wire (RFC 9112 sections 3, 6 and 7).

use bytes::Bytes;
use dipole_http::{Body, ClientErrorKind};
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::Frame;

use crate::far::{OK, bad, by_hand, good, near_and_far, piece, settle, text};

fn request(method: &str, uri: &str, fields: &[(&'static str, &'static str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn heads_say_what_was_asked_and_what_the_client_decides() {
    let (near, mut far) = near_and_far();
    for (request, wire) in [
        (request("GET", "http://far", &[]), "GET / HTTP/1.1\r\nhost: far\r\n\r\n"),
        (
            request("GET", "http://far:80/a/b?c=d", &[]),
            "GET /a/b?c=d HTTP/1.1\r\nhost: far\r\n\r\n",
        ),
        (request("GET", "http://FAR?x", &[]), "GET /?x HTTP/1.1\r\nhost: FAR\r\n\r\n"),
        (
            request("GET", "http://far/", &[("accept", "*/*"), ("host", "other:81")]),
            "GET / HTTP/1.1\r\nhost: other:81\r\naccept: */*\r\n\r\n",
        ),
        (
            request(
                "DELETE",
                "http://far/",
                &[
                    ("content-length", "5"),
                    ("transfer-encoding", "gzip"),
                    ("x-a", "1"),
                    ("x-a", "2"),
                ],
            ),
            "DELETE / HTTP/1.1\r\nhost: far\r\nx-a: 1\r\nx-a: 2\r\n\r\n",
        ),
        (
            request("POST", "http://far/", &[]),
            "POST / HTTP/1.1\r\nhost: far\r\ncontent-length: 0\r\n\r\n",
        ),
        (request("own", "http://far/", &[]), "own / HTTP/1.1\r\nhost: far\r\n\r\n"),
    ] {
        let asked = near.ask(request);
        let mut conn = far.accept().await;
        conn.expect(wire).await;
        conn.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        assert_eq!(text(good(asked).await).await, "");
        conn.expect_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_known_length_is_sent_as_it_is() {
    let (near, mut far) = near_and_far();
    let asked = near.method(Method::POST, Body::from("hello"));
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ncontent-length: 5\r\n\r\nhello").await;
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_is_sent_in_chunks_with_its_trailers_as_it_comes() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::PUT, body);
    let mut conn = far.accept().await;
    conn.expect("PUT / HTTP/1.1\r\nhost: far\r\ntransfer-encoding: chunked\r\n\r\n").await;
    conn.expect_silence().await;
    feed.send(piece("hello")).expect("the body is there");
    conn.expect("5\r\nhello\r\n").await;
    feed.send(piece("")).expect("the body is there");
    feed.send(piece("0123456789abcdef")).expect("the body is there");
    conn.expect("10\r\n0123456789abcdef\r\n").await;
    let trailers = HeaderMap::from_iter([
        ("x-sum".parse().expect("a name"), HeaderValue::from_static("7")),
        (http::header::CONTENT_LENGTH, HeaderValue::from_static("8")),
    ]);
    feed.send(Ok(Frame::trailers(trailers))).expect("the body is there");
    conn.expect("0\r\nx-sum: 7\r\n\r\n").await;
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
    settle().await;
    assert_eq!(near.open(), 1, "the connection is kept");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_or_has_another_length_breaks_the_connection_off() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ntransfer-encoding: chunked\r\n\r\n").await;
    feed.send(Err(dipole_http::BodyError::Cancelled)).expect("the body is there");
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::RequestBody);
    let error = conn.conn_error().await;
    assert_eq!(error, dipole_net::ErrorKind::Reset);

    for length in [3, 7] {
        let body = Body::new(Lying { data: Some(Bytes::from_static(b"hello")), length });
        let asked = near.method(Method::POST, body);
        let mut conn = far.accept().await;
        assert_eq!(bad(asked).await.kind(), ClientErrorKind::RequestBody, "{length}");
        assert_eq!(conn.conn_error().await, dipole_net::ErrorKind::Reset);
    }
}

/// Says a length that it does not have.
struct Lying {
    data: Option<Bytes>,
    length: u64,
}

impl http_body::Body for Lying {
    type Data = Bytes;
    type Error = dipole_http::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(self.data.take().map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.length)
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_asked_is_not() {
    let (near, mut far) = near_and_far();
    for (method, uri) in [("GET", "/"), ("GET", "https://far/"), ("CONNECT", "far:80")] {
        let error = bad(near.ask(request(method, uri, &[]))).await;
        assert_eq!(error.kind(), ClientErrorKind::Request, "{error}");
    }
    far.expect_no_dial().await;
}
