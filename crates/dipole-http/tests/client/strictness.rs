//! What is not a response that everybody reads in the same way is an error, and ends the
//! connection.

use dipole_http::{BodyError, ClientErrorKind};

use crate::far::{bad, configured, good, near_and_far, read};

#[tokio::test(start_paused = true)]
async fn heads_that_can_be_read_in_two_ways_are_errors() {
    for answer in [
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "220 mail.example.org ESMTP\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\na: b\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let mut conn = far.serve(answer).await;
        let error = bad(asked).await;
        assert_eq!(error.kind(), ClientErrorKind::Response, "{answer:?}: {error}");
        conn.expect_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_that_can_be_read_in_two_ways_are_errors() {
    for chunks in [
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "\r\n0\r\n\r\n",
        "11111111111111111\r\n",
        "0\r\ncontent-length: 5\r\n\r\n",
        "0\r\na: b\n\r\n",
    ] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        let mut conn = far.serve(&answer).await;
        match read(good(asked).await).await {
            Err(BodyError::Malformed(_)) => {}
            other => panic!("{chunks:?}: {other:?}"),
        }
        conn.expect_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn heads_have_limits() {
    let (near, mut far) = configured(|config| {
        config.max_head_bytes = 1000;
        config.max_headers = 3;
    });
    for answer in [
        format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(1000)),
        format!("HTTP/1.1 200 {}", "b".repeat(1000)),
        format!("HTTP/1.1 204 No Content\r\n{}\r\n", "a: b\r\n".repeat(4)),
        format!("HTTP/1.1 204 No Content\r\n{}", "a: b\r\n".repeat(5)),
    ] {
        let asked = near.get();
        let mut conn = far.serve(&answer).await;
        assert_eq!(bad(asked).await.kind(), ClientErrorKind::Response, "{answer:?}");
        conn.expect_closed().await;
    }
    let asked = near.get();
    let _conn = far.serve("HTTP/1.1 204 No Content\r\na: b\r\na: b\r\na: b\r\n\r\n").await;
    assert_eq!(good(asked).await.status(), 204);
}
