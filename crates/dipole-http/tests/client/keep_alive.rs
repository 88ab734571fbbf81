//! Connections are kept for the next request, if they are good for it (RFC 9112 section 9.3).

use std::time::Duration;

use dipole_http::Body;
use http::{Method, Request};

use crate::far::{GET, OK, configured, good, near_and_far, read, settle, text};

#[tokio::test(start_paused = true)]
async fn one_connection_serves_one_request_after_another() {
    let (near, mut far) = near_and_far();
    let mut asked = near.get();
    let mut conn = far.accept().await;
    for answer in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        OK,
    ] {
        conn.expect(GET).await;
        conn.send(answer).await;
        let length = text(good(asked).await).await.len();
        assert_eq!(length == 2, answer.contains("hi"), "{answer:?}");
        asked = near.get();
    }
    assert_eq!(near.network.stats().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_have_connections_of_their_own() {
    let (near, mut far) = near_and_far();
    let (first, second) = (near.get(), near.get());
    let mut one = far.serve(OK).await;
    let mut two = far.serve(OK).await;
    text(good(first).await).await;
    text(good(second).await).await;
    let (third, fourth) = (near.get(), near.get());
    for conn in [&mut one, &mut two] {
        conn.expect(GET).await;
        conn.send(OK).await;
    }
    text(good(third).await).await;
    text(good(fourth).await).await;
    assert_eq!(near.network.stats().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_go_on_is_closed() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        // Bytes that nobody asked for.
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nHTTP/1.1 ",
    ] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let mut conn = far.serve(answer).await;
        assert_eq!(text(good(asked).await).await, "hi", "{answer:?}");
        conn.expect_closed().await;
        let asked = near.get();
        let _conn = far.serve(OK).await;
        assert_eq!(text(good(asked).await).await, "hi", "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_asks_to_close_does_so() {
    let (near, mut far) = near_and_far();
    let request = Request::get("http://far/").header("connection", "close").body(Body::empty());
    let asked = near.ask(request.expect("a request"));
    let mut conn = far.accept().await;
    conn.expect("GET / HTTP/1.1\r\nhost: far\r\nconnection: close\r\n\r\n").await;
    conn.send(OK).await;
    text(good(asked).await).await;
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn bytes_that_come_while_a_connection_waits_end_it() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.serve(OK).await;
    text(good(asked).await).await;
    // The answer to a request that somebody smuggled in, say.
    conn.send(OK).await;
    let asked = near.get();
    let _second = far.serve("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(good(asked).await.status(), 204);
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_while_it_waited_is_not_used() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let conn = far.serve(OK).await;
    text(good(asked).await).await;
    drop(conn);
    settle().await;
    // A POST is never sent twice: it must not go out on the dead connection at all.
    let asked = near.method(Method::POST, Body::from("x"));
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ncontent-length: 1\r\n\r\nx").await;
    conn.send(OK).await;
    text(good(asked).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_response_dropped_before_its_end_closes_its_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhi",
    ] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let mut conn = far.serve(answer).await;
        drop(good(asked).await);
        conn.expect_closed().await;
        assert_eq!(near.open(), 1, "only this end is open");
        drop(conn);
        assert_eq!(near.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_before_its_response_closes_its_connection() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.accept().await;
    conn.expect(GET).await;
    asked.abort();
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_for_so_long_and_no_longer() {
    let (near, mut far) = configured(|config| config.idle_timeout = Duration::from_secs(10));
    let asked = near.get();
    let mut conn = far.serve(OK).await;
    text(good(asked).await).await;

    tokio::time::sleep(Duration::from_secs(9)).await;
    let asked = near.get();
    conn.expect(GET).await;
    conn.send(OK).await;
    text(good(asked).await).await;

    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = near.get();
    let _second = far.serve(OK).await;
    text(good(asked).await).await;
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn only_so_many_connections_wait() {
    let (near, mut far) = configured(|config| config.max_idle_per_host = 2);
    let asked = [near.get(), near.get(), near.get()];
    let mut conns = Vec::new();
    for _ in &asked {
        conns.push(far.serve(OK).await);
    }
    for asked in asked {
        read(good(asked).await).await.expect("a whole body");
    }
    // The one that was used last stays.
    conns[0].expect_closed().await;
    conns[1].expect_silence().await;
    conns[2].expect_silence().await;

    let (near, mut far) = configured(|config| config.max_idle_per_host = 0);
    let asked = near.get();
    let mut conn = far.serve(OK).await;
    read(good(asked).await).await.expect("a whole body");
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_that_was_used_last_is_used_next() {
    let (near, mut far) = near_and_far();
    let asked = [near.get(), near.get(), near.get()];
    let mut conns = [far.accept().await, far.accept().await, far.accept().await];
    // They come back in another order than they were made in.
    let mut order = vec![1, 0, 2];
    for at in &order {
        conns[*at].expect(GET).await;
        conns[*at].send(OK).await;
        settle().await;
    }
    for asked in asked {
        text(good(asked).await).await;
    }
    let mut later = Vec::new();
    while let Some(at) = order.pop() {
        later.push(near.get());
        conns[at].expect(GET).await;
    }
    for conn in &mut conns {
        conn.send(OK).await;
    }
    for asked in later {
        text(good(asked).await).await;
    }
    assert_eq!(near.network.stats().dials, 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_closes_what_waits() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut conn = far.serve(OK).await;
    text(good(asked).await).await;
    drop(near);
    conn.expect_closed().await;
}
