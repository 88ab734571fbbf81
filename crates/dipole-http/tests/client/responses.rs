//! Where responses end (RFC 9112 section 6.3).

use dipole_http::{Body, ClientErrorKind};
use http::{Method, Version};
use http_body::Body as _;

use crate::far::{bad, good, near_and_far, read, text};

#[tokio::test(start_paused = true)]
async fn heads_and_bodies_are_what_was_sent() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let _conn = far
        .serve("HTTP/1.1 299 Whatever\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let response = good(asked).await;
    assert_eq!((response.status().as_u16(), response.version()), (299, Version::HTTP_11));
    assert_eq!(response.headers().get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert_eq!(text(response).await, "hello");
}

#[tokio::test(start_paused = true)]
async fn some_responses_have_no_body_whatever_their_heads_say() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1000\r\n\r\n"),
    ] {
        let (near, mut far) = near_and_far();
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for _ in 0..2 {
            let asked = near.method(method.clone(), Body::empty());
            let mut conn = far.accept().await;
            for round in 0..2 {
                conn.expect(format!("{method} / HTTP/1.1\r\nhost: far\r\n\r\n")).await;
                conn.send(answer).await;
                if round == 0 {
                    break;
                }
            }
            let response = good(asked).await;
            assert!(response.body().is_end_stream());
            assert_eq!(text(response).await, "", "{answer:?}");
            // The connection is free: the next request finds it.
            let asked = near.method(method.clone(), Body::empty());
            conn.expect(format!("{method} / HTTP/1.1\r\nhost: far\r\n\r\n")).await;
            conn.send("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
            assert_eq!(good(asked).await.status(), 204);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_length_ends_with_the_connection() {
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let mut conn = far.serve(&format!("{version} 200 OK\r\n\r\nhel")).await;
        let response = good(asked).await;
        conn.send("lo").await;
        drop(conn);
        assert_eq!(text(response).await, "hello");
        assert_eq!(near.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_come_with_trailers() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let response = good(asked).await;
    conn.send("5;x=y\r\nhello\r\n").await;
    conn.send("6\r\n world\r\n0\r\nX-Sum: 7\r\n\r\n").await;
    let (body, trailers) = read(response).await.expect("a whole body");
    assert_eq!(body, "hello world");
    assert_eq!(trailers.expect("trailers")["x-sum"], "7");
    let asked = near.get();
    conn.expect(crate::far::GET).await;
    conn.send(crate::far::OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn interim_responses_are_passed_over() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let _conn = far
        .serve(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
             HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        )
        .await;
    let response = good(asked).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("link"));
    assert_eq!(text(response).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn interim_responses_without_end_are_an_error() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.serve(&"HTTP/1.1 102 Processing\r\n\r\n".repeat(33)).await;
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::Response);
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_nobody_asked_for_is_an_error() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.serve("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n").await;
    let error = bad(asked).await;
    assert_eq!(error.kind(), ClientErrorKind::Response);
    assert!(error.to_string().contains("nobody asked for"), "{error}");
    conn.expect_closed().await;
}
