//! 425 (Too Early), and requests that are sent again for it (RFC 8470). Early data itself is quinn's:
//! see the tests of the crate `dipole`.

use bytes::Bytes;
use dipole_http::Body;
use http::{Method, StatusCode};
use http_body::Frame;

use crate::far::{by_hand, good, text};
use crate::far_http3::{configured, near_and_far};
use crate::wire::{answer, head};

#[tokio::test(start_paused = true)]
async fn a_request_that_came_too_early_is_sent_again_once() {
    for method in [Method::GET, Method::POST] {
        let (near, mut far) = configured(|config| config.http3.early_data = true);
        let asked = near.method(method, Body::from("body"));
        let peer = far.accept().await;
        peer.serve(&head(&[(":status", "425")])).await;
        let mut again = peer.serve(&answer("hi")).await;
        assert_eq!(again.rest().await.expect("no fault").0, b"body");
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_early_twice_is_told_to_whoever_asked() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept().await;
    peer.serve(&head(&[(":status", "425")])).await;
    peer.serve(&head(&[(":status", "425")])).await;
    assert_eq!(good(asked).await.status(), StatusCode::TOO_EARLY);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_sent_again_is_not() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.method(Method::POST, body);
    let peer = far.accept().await;
    let mut got = peer.next().await;
    // More than is remembered of a body.
    for _ in 0..100 {
        let frame = Frame::data(Bytes::from(vec![b'x'; 1000]));
        feed.send(Ok(frame)).expect("the body is there");
    }
    drop(feed);
    got.rest().await.expect("no fault");
    got.finish(&head(&[(":status", "425")])).await;
    assert_eq!(good(asked).await.status(), StatusCode::TOO_EARLY);
}
