//! How many connections there are at a time, who waits, and for how long.

use std::time::Duration;

use dipole_http::{Body, BodyError, ClientErrorKind, Deadline};
use http::Request;
use tokio::time::Instant;

use crate::far::{GET, OK, bad, configured, good, read, settle, text};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn only_so_many_connections_are_open_and_the_others_wait_in_order() {
    let (near, mut far) = configured(|config| config.max_connections_per_host = Some(2));
    let mut asked = Vec::new();
    for number in 0..5 {
        let request = Request::get(format!("http://far/{number}")).body(Body::empty());
        asked.push(near.ask(request.expect("a request")));
        settle().await;
    }
    let (mut one, mut two) = (far.accept().await, far.accept().await);
    far.expect_no_dial().await;
    let get = |number| format!("GET /{number} HTTP/1.1\r\nhost: far\r\n\r\n");
    one.expect(get(0)).await;
    two.expect(get(1)).await;
    // A response of no more bytes than come with its head frees its connection at once.
    two.send(OK).await;
    two.expect(get(2)).await;
    one.send(OK).await;
    one.expect(get(3)).await;
    one.send(OK).await;
    one.expect(get(4)).await;
    one.send(OK).await;
    two.send(OK).await;
    for asked in asked {
        assert_eq!(text(good(asked).await).await, "hi");
    }
    assert_eq!(near.network.stats().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_makes_room_as_well() {
    let (near, mut far) = configured(|config| config.max_connections_per_host = Some(1));
    let (first, second) = (near.get(), near.get());
    let mut conn = far.accept().await;
    conn.expect(GET).await;
    conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi").await;
    assert_eq!(text(good(first).await).await, "hi");
    let _second = far.serve(OK).await;
    assert_eq!(text(good(second).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_still_read_takes_its_place() {
    let (near, mut far) = configured(|config| config.max_connections_per_host = Some(1));
    let first = near.get();
    let mut conn = far.serve("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
    let response = good(first).await;
    let second = near.get();
    conn.expect_silence().await;
    conn.send("lo").await;
    assert_eq!(text(response).await, "hello");
    conn.expect(GET).await;
    conn.send(OK).await;
    assert_eq!(text(good(second).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn waiting_takes_so_long_at_most() {
    let (near, mut far) = configured(|config| {
        config.max_connections_per_host = Some(1);
        config.pool_timeout = Some(secs(3));
    });
    let _first = near.get();
    let _conn = far.accept().await;
    let begin = Instant::now();
    let error = bad(near.get()).await;
    assert_eq!((error.kind(), error.deadline()), (ClientErrorKind::Connect, Some(Deadline::Pool)));
    assert_eq!(begin.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_gives_up_waiting_leaves_its_place_to_the_next() {
    let (near, mut far) = configured(|config| config.max_connections_per_host = Some(1));
    let first = near.get();
    let mut conn = far.accept().await;
    let (second, third) = (near.get(), near.get());
    settle().await;
    second.abort();
    conn.expect(GET).await;
    conn.send(OK).await;
    text(good(first).await).await;
    conn.expect(GET).await;
    conn.send(OK).await;
    assert_eq!(text(good(third).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_fails_makes_room() {
    let (near, far) = configured(|config| config.max_connections_per_host = Some(1));
    drop(far);
    for asked in [near.get(), near.get(), near.get()] {
        assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connect);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_for_so_long_and_no_longer() {
    let (near, mut far) = configured(|config| config.max_connection_age = Some(secs(10)));
    let asked = near.get();
    let mut conn = far.serve(OK).await;
    text(good(asked).await).await;
    tokio::time::sleep(secs(9)).await;
    let asked = near.get();
    conn.expect(GET).await;
    tokio::time::sleep(secs(2)).await;
    conn.send(OK).await;
    text(good(asked).await).await;
    conn.expect_closed().await;
    let asked = near.get();
    let _second = far.serve(OK).await;
    text(good(asked).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_whole_request_takes_so_long_at_most() {
    let (near, mut far) = configured(|config| config.request_timeout = Some(secs(5)));
    let begin = Instant::now();
    let asked = near.get();
    let mut conn = far.accept().await;
    let error = bad(asked).await;
    assert_eq!((error.deadline(), begin.elapsed().as_secs()), (Some(Deadline::Request), 5));
    conn.expect(GET).await;
    conn.expect_closed().await;

    // Its body is a part of it, however steadily it drips.
    let begin = Instant::now();
    let asked = near.get();
    let mut conn = far.serve("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n").await;
    let reading = tokio::spawn(read(good(asked).await));
    for _ in 0..4 {
        tokio::time::sleep(secs(1)).await;
        conn.send("x").await;
    }
    let error = reading.await.expect("no panic").expect_err("it is late");
    assert!(matches!(error, BodyError::RequestTimedOut), "{error}");
    assert_eq!(begin.elapsed().as_secs(), 5);
    conn.expect_closed().await;
}
