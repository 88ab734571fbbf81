//! Deadlines.

use std::time::Duration;

use dipole_http::{BodyError, ClientErrorKind, Deadline};
use dipole_sim::Reach;
use http::Method;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::far::{bad, by_hand, configured, good, near_and_far, piece};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_dial_takes_so_long_at_most() {
    let (near, _far) = near_and_far();
    near.network.set_reach("far", Reach::Silent);
    let begin = Instant::now();
    let error = bad(near.get()).await;
    let which = (ClientErrorKind::Connect, Some(Deadline::Dial));
    assert_eq!((error.kind(), error.deadline()), which, "{error}");
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_said_so() {
    let (near, far) = near_and_far();
    drop(far);
    let error = bad(near.get()).await;
    assert_eq!(error.kind(), ClientErrorKind::Connect);
    assert!(!error.is_timeout());
    let text = error.to_string();
    assert!(text.starts_with("no connection to far:80; see that a server listens there"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_response_takes_so_long_at_most_from_the_end_of_its_request() {
    let (near, mut far) = configured(|config| config.response_timeout = Some(secs(5)));
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ntransfer-encoding: chunked\r\n\r\n").await;
    tokio::time::sleep(secs(60)).await;
    feed.send(piece("slow")).expect("the body is there");
    drop(feed);
    conn.expect("4\r\nslow\r\n0\r\n\r\n").await;
    let begin = Instant::now();
    // A head that drips does not extend it.
    for byte in ["H", "T", "T"] {
        tokio::time::sleep(secs(1)).await;
        conn.send(byte).await;
    }
    let error = bad(asked).await;
    let which = (ClientErrorKind::TimedOut, Some(Deadline::Response));
    assert_eq!((error.kind(), error.deadline()), which, "{error}");
    assert_eq!(begin.elapsed().as_secs(), 5);
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn each_piece_of_a_body_takes_so_long_at_most() {
    let (near, mut far) = configured(|config| config.body_timeout = Some(secs(5)));
    let asked = near.get();
    let mut conn = far.serve("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n").await;
    let mut body = good(asked).await.into_body();
    // A reader that takes its time is not late.
    tokio::time::sleep(secs(60)).await;
    for _ in 0..4 {
        let reading = tokio::spawn(async move {
            let frame = body.frame().await.expect("a piece").expect("in time");
            (frame, body)
        });
        tokio::time::sleep(secs(4)).await;
        conn.send("x").await;
        body = reading.await.expect("no panic").1;
    }
    let begin = Instant::now();
    let error = body.frame().await.expect("an error").expect_err("late");
    assert!(matches!(error, BodyError::TimedOut), "{error}");
    assert_eq!(begin.elapsed().as_secs(), 5);
    conn.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_given_up() {
    let (near, mut far) = configured(|config| config.write_timeout = Some(secs(5)));
    let body = dipole_http::Body::from(vec![b'x'; 1 << 20]);
    let asked = near.method(Method::POST, body);
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\n").await;
    let begin = Instant::now();
    let error = bad(asked).await;
    let which = (ClientErrorKind::TimedOut, Some(Deadline::Write));
    assert_eq!((error.kind(), error.deadline()), which, "{error}");
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert!(!conn.conn_error().await.eq(&dipole_net::ErrorKind::TimedOut));
}
