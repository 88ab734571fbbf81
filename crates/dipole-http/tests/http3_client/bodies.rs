//! Large bodies, slow ends, and what is given up.

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, BodyError, ClientErrorKind, Deadline};
use dipole_net::SendStreamExt;
use http::Method;
use http_body_util::BodyExt;

use crate::far::{bad, by_hand, good, read, text};
use crate::far_http3::{configured, near_and_far, unanswered};
use crate::wire::{DATA, MESSAGE_ERROR, REQUEST_CANCELLED, answer, data, frame, head, integer};

const MANY: usize = 8 * 1024 * 1024;

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[tokio::test(start_paused = true)]
async fn large_bodies_arrive_whole_both_ways() {
    let (near, mut far) = near_and_far();
    let asked = near.method(Method::POST, Body::from(pattern(MANY)));
    let peer = far.accept().await;
    let serving = tokio::spawn(async move {
        let mut got = peer.next().await;
        let (body, _) = got.rest().await.expect("no fault");
        assert!(body == pattern(MANY));
        let length = MANY.to_string();
        got.send(&head(&[(":status", "200"), ("content-length", &length)])).await;
        for piece in body.chunks(100_000) {
            got.send(&frame(DATA, piece)).await;
        }
        got.send.close().await.expect("the client is there");
        (peer, got)
    });
    let (body, _) = read(good(asked).await).await.expect("whole");
    assert!(body == pattern(MANY));
    serving.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_the_server_down() {
    let (near, mut far) = configured(|config| config.http3.stream_window = 65_536);
    let asked = near.get();
    let peer = far.accept().await;
    let mut got = peer.next().await;
    got.send(&head(&[(":status", "200")])).await;
    let payload = pattern(MANY);
    let mut sent = 0;
    let stuck = Duration::from_millis(100);
    got.send(&[integer(DATA), integer(MANY as u64)].concat()).await;
    let response = good(asked).await;
    while let Ok(taken) = tokio::time::timeout(stuck, got.send.write(&payload[sent..])).await {
        sent += taken.expect("the client is there");
    }
    // What its own end holds until it is acknowledged, and the window.
    assert!(sent < 2 * 1024 * 1024, "{sent}");
    let serving = tokio::spawn(async move {
        got.send(&payload[sent..]).await;
        got.send.close().await.expect("the client is there");
    });
    let (body, _) = read(response).await.expect("whole");
    assert!(body == pattern(MANY));
    serving.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_slows_the_body_down() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let peer = far.accept().await;
    let mut got = peer.next().await;
    let piece = Bytes::from(pattern(64 * 1024));
    for _ in 0..200 {
        feed.send(Ok(http_body::Frame::data(piece.clone()))).expect("the body is there");
    }
    drop(feed);
    tokio::time::sleep(Duration::from_millis(100)).await;
    got.send(&answer("done")).await;
    got.send.close().await.expect("the client is there");
    let reading = tokio::spawn(read(good(asked).await));
    assert_eq!(got.rest().await.expect("no fault").0.len(), 200 * 64 * 1024);
    assert_eq!(reading.await.expect("no panic").expect("whole").0, "done");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_no_more_of_a_request_may_still_answer() {
    let (near, mut far) = near_and_far();
    let asked = near.method(Method::POST, Body::from(pattern(MANY)));
    let peer = far.accept().await;
    let mut got = peer.next().await;
    got.receive.cancel_read(0x100);
    got.send(&answer("enough")).await;
    got.send.close().await.expect("the client is there");
    assert_eq!(text(good(asked).await).await, "enough");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_is_cancelled_alone() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let (dropped, kept) = (near.method(Method::POST, body), near.get());
    let peer = far.accept().await;
    let (mut first, mut second) = (peer.next().await, peer.next().await);
    // The one with the body.
    let early = tokio::time::timeout(Duration::from_millis(50), first.frame()).await;
    if early.is_ok() {
        std::mem::swap(&mut first, &mut second);
    }
    dropped.abort();
    assert_eq!(first.stopped().await, Some(REQUEST_CANCELLED));
    let error = first.broken_off().await;
    let expected = dipole_net::ErrorKind::StreamReset {
        code: REQUEST_CANCELLED,
        by: dipole_net::Initiator::Peer,
    };
    assert_eq!(error.kind(), &expected);
    second.send(&answer("hi")).await;
    second.send.close().await.expect("the client is there");
    assert_eq!(text(good(kept).await).await, "hi");
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_is_cancelled_alone() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept().await;
    let mut got = peer.next().await;
    got.send(&[head(&[(":status", "200")]), data("part")].concat()).await;
    drop(good(asked).await);
    assert_eq!(got.stopped().await, Some(REQUEST_CANCELLED));
    let asked = near.get();
    peer.serve(&answer("hi")).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_held_to_its_length() {
    for (bytes, is_longer) in [(data("four"), false), (data("too long"), true)] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let peer = far.accept().await;
        let head = head(&[(":status", "200"), ("content-length", "5")]);
        let mut got = peer.serve(&[head, bytes].concat()).await;
        let error = read(good(asked).await).await.expect_err("it is not whole");
        if is_longer {
            assert!(matches!(error, BodyError::Malformed(_)), "{error}");
            assert!(matches!(got.stopped().await, Some(MESSAGE_ERROR) | None));
        } else {
            assert!(matches!(error, BodyError::Connection(_)), "{error}");
        }
        // The connection is good for more.
        let asked = near.get();
        peer.serve(&answer("hi")).await;
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_where_none_may_be_is_no_body() {
    let (near, mut far) = near_and_far();
    let asked = near.method(Method::HEAD, Body::empty());
    let peer = far.accept().await;
    peer.serve(&answer("body")).await;
    let error = read(good(asked).await).await.expect_err("HEAD has no body");
    assert!(matches!(error, BodyError::Malformed(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn each_deadline_is_told() {
    let short = Duration::from_millis(50);
    let (near, mut far) = configured(|config| config.response_timeout = Some(short));
    let asked = near.get();
    let peer = far.accept().await;
    let _got = peer.next().await;
    let error = bad(asked).await;
    assert_eq!(
        (error.kind(), error.deadline()),
        (ClientErrorKind::TimedOut, Some(Deadline::Response))
    );

    let (near, mut far) = configured(|config| config.write_timeout = Some(short));
    let asked = near.method(Method::POST, Body::from(pattern(MANY)));
    let peer = far.accept().await;
    let mut got = peer.next().await;
    let error = bad(asked).await;
    assert_eq!(
        (error.kind(), error.deadline()),
        (ClientErrorKind::TimedOut, Some(Deadline::Write))
    );
    got.broken_off().await;

    let (near, mut far) = configured(|config| config.body_timeout = Some(short));
    let asked = near.get();
    let peer = far.accept().await;
    let mut got = peer.next().await;
    got.send(&[head(&[(":status", "200")]), data("part")].concat()).await;
    let mut body = good(asked).await.into_body();
    body.frame().await.expect("a piece").expect("no fault");
    let error = body.frame().await.expect("an end").expect_err("it is late");
    assert!(matches!(error, BodyError::TimedOut), "{error}");

    let (near, mut far) = configured(|config| config.request_timeout = Some(short * 4));
    let asked = near.get();
    let peer = far.accept().await;
    let mut got = peer.next().await;
    got.send(&[head(&[(":status", "200")]), data("part")].concat()).await;
    let error = read(good(asked).await).await.expect_err("it is late");
    assert!(matches!(error, BodyError::RequestTimedOut), "{error}");

    let near = unanswered(|config| config.dial_timeout = Some(short));
    let error = bad(near.get()).await;
    assert_eq!((error.kind(), error.deadline()), (ClientErrorKind::Connect, Some(Deadline::Dial)));
}
