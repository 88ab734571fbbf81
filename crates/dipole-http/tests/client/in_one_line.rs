//! Requests in one line.

use std::time::Duration;

use dipole_http::{
    BodyError, Client, ClientErrorKind, Deadline, Multipart, ReadError, RequestBuilder, ResponseExt,
};
use futures_util::StreamExt as _;
use http::HeaderValue;

use crate::far::{OK, near_and_far};

/// A request is sent in these bytes.
async fn is_sent(make: impl FnOnce(&Client) -> RequestBuilder<'_>, expected: &str) {
    let (near, mut far) = near_and_far();
    let request = make(&near.client).build().expect("nothing is wrong with it");
    let asked = near.ask(request);
    let mut conn = far.accept().await;
    conn.expect(expected).await;
    conn.send(OK).await;
    asked.await.expect("no panic").expect("a response");
}

/// What a client makes of a response.
async fn answered(answer: &str) -> http::Response<dipole_http::Body> {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    far.serve(answer).await;
    asked.await.expect("no panic").expect("a response")
}

#[tokio::test(start_paused = true)]
async fn a_request_is_made_of_what_it_is_given() {
    let (near, mut far) = near_and_far();
    let client = near.client.clone();
    let asked = tokio::spawn(async move {
        let request = client.post("http://far/path").header("x-a", "1").bearer_auth("secret");
        request.body("hello").send().await
    });
    let mut conn = far.accept().await;
    conn.expect("POST /path HTTP/1.1\r\nhost: far\r\nx-a: 1\r\nauthorization: Bearer secret\r\n")
        .await;
    conn.expect("content-length: 5\r\n\r\nhello").await;
    conn.send(OK).await;
    let response = asked.await.expect("no panic").expect("a response");
    assert_eq!(response.into_body().into_bytes(2).await.expect("two bytes"), "hi");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_said_when_it_is_sent() {
    let (near, _far) = near_and_far();
    let client = &near.client;
    for request in [
        client.get("http://a b/"),
        client.get("http://far/").header("a b", "c"),
        client.get("http://far/").header("a", "b\nc"),
        client.get("http://far/").bearer_auth("a\nb"),
        client.get("http://far/").basic_auth("a:b", "c"),
        client.get("http://far/").query(&1),
        client.get("http+unix:///x"),
    ] {
        let error = request.send().await.expect_err("it is wrong");
        assert_eq!(error.kind(), ClientErrorKind::Request, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_as_large_as_allowed_and_no_larger() {
    let body = || dipole_http::Body::from("hello");
    assert_eq!(body().into_bytes(5).await.expect("five bytes"), "hello");
    let error = body().into_bytes(4).await.expect_err("it is larger");
    assert!(matches!(error, BodyError::TooLarge { limit: 4 }), "{error}");
    assert_eq!(dipole_http::Body::empty().into_bytes(0).await.expect("none"), "");
}

#[tokio::test(start_paused = true)]
async fn pairs_are_added_to_the_query() {
    let pairs = [("q", "a b&c"), ("ü", "=")];
    for (url, target) in [
        ("http://far", "/?q=a+b%26c&%C3%BC=%3D"),
        ("http://far/x?a=1", "/x?a=1&q=a+b%26c&%C3%BC=%3D"),
        ("http://far/x?", "/x?q=a+b%26c&%C3%BC=%3D"),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nhost: far\r\n\r\n");
        is_sent(|client| client.get(url).query(&pairs), &head).await;
    }
    let none: [(&str, &str); 0] = [];
    let head = "GET /x HTTP/1.1\r\nhost: far\r\n\r\n";
    is_sent(|client| client.get("http://far/x").query(&none), head).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_a_form_or_json_and_says_so() {
    let head = "POST / HTTP/1.1\r\nhost: far\r\ncontent-type: ";
    let form =
        format!("{head}application/x-www-form-urlencoded\r\ncontent-length: 7\r\n\r\na=1&b=2");
    is_sent(|client| client.post("http://far/").form(&[("a", 1), ("b", 2)]), &form).await;
    let json = format!("{head}application/json\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}");
    let value = serde_json::json!({"a": 1});
    is_sent(|client| client.post("http://far/").json(&value), &json).await;
    let own = format!("{head}application/ld+json\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}");
    let field = ("content-type", "application/ld+json");
    is_sent(|client| client.post("http://far/").header(field.0, field.1).json(&value), &own).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_is_a_form_of_several_parts() {
    let media_type = HeaderValue::from_static("text/plain");
    let form = Multipart::with_boundary("x").expect("a boundary").text("a", "1");
    let form = form.file("b", "c.txt", &media_type, "hello");
    let body = "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
        --x\r\ncontent-disposition: form-data; name=\"b\"; filename=\"c.txt\"\r\n\
        content-type: text/plain\r\n\r\nhello\r\n--x--\r\n";
    let expected = format!(
        "POST / HTTP/1.1\r\nhost: far\r\ncontent-type: multipart/form-data; boundary=x\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    is_sent(|client| client.post("http://far/").multipart(form), &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_user_and_password_are_sent_as_rfc_7617_has_it() {
    let head =
        "GET / HTTP/1.1\r\nhost: far\r\nauthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
    let (near, _far) = near_and_far();
    let request = near.client.get("http://far/").basic_auth("a", "b").build().expect("a request");
    assert!(request.headers()["authorization"].is_sensitive());
    is_sent(|client| client.get("http://far/").basic_auth("Aladdin", "open sesame"), head).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_time_limit_of_its_own() {
    let (near, mut far) = near_and_far();
    let limit = Duration::from_secs(3);
    let client = near.client.clone();
    let asked = tokio::spawn(async move { client.get("http://far/").timeout(limit).send().await });
    let _conn = far.accept().await;
    let begun = tokio::time::Instant::now();
    let error = asked.await.expect("no panic").expect_err("nobody answers");
    assert_eq!(error.deadline(), Some(Deadline::Request));
    assert!(begun.elapsed() <= limit, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_response_is_read_as_what_is_wanted() {
    let latin = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=iso-8859-1\r\n\
                 content-length: 2\r\n\r\nhi";
    assert_eq!(answered(latin).await.text().await.expect("text"), "hi");
    let other = latin.replace("iso-8859-1", "koi8-r");
    let error = answered(&other).await.text().await.expect_err("nobody knows that here");
    assert!(matches!(error, ReadError::Charset(name) if name == "koi8-r"));
    let json = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    let value: serde_json::Value = answered(json).await.json().await.expect("JSON");
    assert_eq!(value["a"], 1);
    let error = answered(OK).await.json::<serde_json::Value>().await.expect_err("no JSON");
    assert!(matches!(error, ReadError::Json(_)), "{error}");
    let error = answered(json).await.json_within::<serde_json::Value>(6).await;
    let error = error.expect_err("it is larger");
    assert!(matches!(error, ReadError::Body(BodyError::TooLarge { limit: 6 })), "{error}");
    assert_eq!(answered(OK).await.bytes_within(2).await.expect("two bytes"), "hi");
    let error = answered("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(error.error_for_status().expect_err("404").status(), 404);
    assert!(answered(OK).await.error_for_status().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_response_comes_in_pieces() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                   2\r\nhe\r\n3\r\nllo\r\n0\r\nx-sum: 1\r\n\r\n";
    let mut response = answered(chunked).await;
    let mut whole = Vec::new();
    while let Some(piece) = response.chunk().await.expect("it comes whole") {
        whole.extend_from_slice(&piece);
    }
    assert_eq!(whole, b"hello");
    let pieces: Vec<_> = answered(chunked).await.stream().collect().await;
    let whole: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.expect("whole")).collect();
    assert_eq!(whole, b"hello");
}
