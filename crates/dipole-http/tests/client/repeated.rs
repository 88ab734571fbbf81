//! A request that went out on a kept connection which the server was closing (RFC 9110 9.2.2).

use dipole_http::{Body, ClientErrorKind};
use http::{Method, Request};

use crate::far::{Far, FarConn, GET, Near, OK, bad, by_hand, good, near_and_far, piece, text};

/// A connection that waits.
async fn with_a_kept_connection() -> (Near, Far, FarConn) {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let conn = far.serve(OK).await;
    text(good(asked).await).await;
    (near, far, conn)
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_request_is_sent_once_more_on_a_new_connection() {
    for is_reset in [false, true] {
        let (near, mut far, mut conn) = with_a_kept_connection().await;
        let asked = near.get();
        conn.expect(GET).await;
        if is_reset {
            conn.conn.reset();
        }
        drop(conn);
        let _second = far.serve(OK).await;
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_sent_only_once_more() {
    let (near, mut far, mut conn) = with_a_kept_connection().await;
    let asked = near.get();
    conn.expect(GET).await;
    drop(conn);
    let mut conn = far.accept().await;
    conn.expect(GET).await;
    drop(conn);
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection);
    far.expect_no_dial().await;
}

#[tokio::test(start_paused = true)]
async fn its_body_is_sent_again_as_far_as_it_is_known() {
    let (near, mut far, mut conn) = with_a_kept_connection().await;
    let (feed, body) = by_hand();
    feed.send(piece("one")).expect("the body is there");
    let asked = near.method(Method::PUT, body);
    let head = "PUT / HTTP/1.1\r\nhost: far\r\ntransfer-encoding: chunked\r\n\r\n";
    conn.expect(head).await;
    conn.expect("3\r\none\r\n").await;
    drop(conn);
    let mut conn = far.accept().await;
    conn.expect(head).await;
    conn.expect("3\r\none\r\n").await;
    feed.send(piece("two")).expect("the body is there");
    conn.expect("3\r\ntwo\r\n").await;
    drop(feed);
    conn.expect("0\r\n\r\n").await;
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_large_body_is_not_sent_again() {
    let (near, mut far, mut conn) = with_a_kept_connection().await;
    let asked = near.method(Method::PUT, Body::from(vec![b'x'; 65 * 1024]));
    conn.expect("PUT / HTTP/1.1\r\n").await;
    drop(conn);
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection);
    far.expect_no_dial().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_idempotent_is_not_sent_again() {
    for body in ["", "x"] {
        let (near, mut far, mut conn) = with_a_kept_connection().await;
        let asked = near.method(Method::POST, Body::from(body));
        conn.expect("POST / HTTP/1.1\r\n").await;
        drop(conn);
        let error = bad(asked).await;
        assert_eq!(error.kind(), ClientErrorKind::Connection);
        assert!(error.to_string().contains("send the request again if that does no harm"));
        far.expect_no_dial().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_once_a_byte_of_a_response_has_come() {
    for begun in ["H", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\nx: y\r\n"] {
        let (near, mut far, mut conn) = with_a_kept_connection().await;
        let asked = near.get();
        conn.expect(GET).await;
        conn.send(begun).await;
        drop(conn);
        assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection, "{begun:?}");
        far.expect_no_dial().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_that_failed_on_a_new_connection() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.accept().await;
    conn.expect(GET).await;
    drop(conn);
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection);
    far.expect_no_dial().await;
}

#[tokio::test(start_paused = true)]
async fn other_hosts_have_connections_of_their_own() {
    let (near, _far, mut conn) = with_a_kept_connection().await;
    let request = Request::get("http://near/").body(Body::empty()).expect("a request");
    assert_eq!(bad(near.ask(request)).await.kind(), ClientErrorKind::Connect);
    conn.expect_silence().await;
}
