//! One request, one response.

use std::time::Duration;

use dipole_http::{Body, ClientErrorKind, ConnectionReport};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use http_body::{Body as _, Frame};

use crate::far::{bad, by_hand, good, piece, read, text};
use crate::far_http3::{configured, near_and_far, streamed};
use crate::wire::{answer, data, frame, head};

#[tokio::test(start_paused = true)]
async fn a_response_comes_over_http3_and_says_over_what() {
    let (near, mut far) = configured(|config| config.report_connection = true);
    let asked = near.get();
    let peer = far.accept().await;
    let mut got = peer.serve(&answer("hi")).await;
    let response = good(asked).await;
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_3));
    let report = response.extensions().get::<ConnectionReport>().expect("a report");
    assert_eq!(report.peer, far.listener.local_addr());
    assert_eq!(report.network, "sim-streams");
    assert_eq!(report.tls.as_ref().and_then(|tls| tls.alpn.as_deref()), Some(&b"h3"[..]));
    assert_eq!(text(response).await, "hi");
    assert_eq!(got.rest().await.expect("it ends in order"), (Vec::new(), false));
}

#[tokio::test(start_paused = true)]
async fn bodies_and_trailers_go_both_ways() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    feed.send(piece("one ")).expect("the body is there");
    feed.send(piece("two")).expect("the body is there");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    feed.send(Ok(Frame::trailers(trailers.clone()))).expect("the body is there");
    drop(feed);
    let asked = near.method(Method::POST, body);
    let peer = far.accept().await;
    let mut got = peer.next().await;
    assert_eq!(got.rest().await.expect("no fault"), (b"one two".to_vec(), true));
    got.send(&head(&[(":status", "200")])).await;
    got.send(&[data("a"), data(""), data("b"), frame(0x21, b"unknown"), data("c")].concat()).await;
    got.send(&head(&[("x-sum", "1")])).await;
    got.finish(&[]).await;
    assert_eq!(read(good(asked).await).await.expect("whole"), ("abc".into(), Some(trailers)));
}

#[tokio::test(start_paused = true)]
async fn requests_share_one_connection() {
    let (near, mut far) = near_and_far();
    let asked: Vec<_> = (0..20).map(|_| near.get()).collect();
    let peer = far.accept().await;
    let mut got = Vec::new();
    for _ in 0..20 {
        got.push(peer.next().await);
    }
    for (at, got) in got.iter_mut().enumerate() {
        got.send(&answer(&at.to_string())).await;
        got.finish(&[]).await;
    }
    let mut all = Vec::new();
    for asked in asked {
        all.push(text(good(asked).await).await.parse::<usize>().expect("a number"));
    }
    all.sort_unstable();
    assert_eq!(all, (0..20).collect::<Vec<_>>());
    far.expect_no_dial(Duration::from_millis(50)).await;
}

#[tokio::test(start_paused = true)]
async fn what_has_no_body_has_none_whatever_length_it_says() {
    let (near, mut far) = near_and_far();
    let mut peer = None;
    for (method, status) in [(Method::HEAD, "200"), (Method::GET, "204"), (Method::GET, "304")] {
        let asked = near.method(method, Body::empty());
        if peer.is_none() {
            peer = Some(far.accept().await);
        }
        let peer = peer.as_ref().expect("a connection");
        let head = head(&[(":status", status), ("content-length", "100")]);
        peer.serve(&head).await;
        let response = good(asked).await;
        assert_eq!(response.headers()["content-length"], "100");
        assert_eq!(response.body().size_hint().exact(), Some(0));
        assert_eq!(text(response).await, "", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn interim_responses_are_passed_over() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept().await;
    let interim = head(&[(":status", "103"), ("link", "</a>")]);
    peer.serve(&[interim.clone(), interim, answer("hi")].concat()).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_body_waits_for_consent_that_was_asked_for() {
    let (near, mut far) = configured(|config| config.continue_timeout = Duration::from_secs(60));
    let request = Request::post(&near.url).header("expect", "100-continue");
    let asked = near.ask(request.body(Body::from("hello")).expect("a request"));
    let peer = far.accept().await;
    let mut got = peer.next().await;
    let early = tokio::time::timeout(Duration::from_millis(50), got.frame()).await;
    assert!(early.is_err(), "{early:?}");
    got.send(&head(&[(":status", "100")])).await;
    assert_eq!(got.rest().await.expect("no fault").0, b"hello");
    got.send(&answer("hi")).await;
    drop(asked);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_consented_to_goes_out_after_a_while_or_not_at_all() {
    let (near, mut far) = configured(|config| config.continue_timeout = Duration::from_millis(20));
    let request = || {
        let request = Request::post(&near.url).header("expect", "100-continue");
        near.ask(request.body(Body::from("hello")).expect("a request"))
    };
    let asked = request();
    let peer = far.accept().await;
    let mut got = peer.next().await;
    assert_eq!(got.rest().await.expect("no fault").0, b"hello");
    got.send(&answer("hi")).await;
    got.finish(&[]).await;
    assert_eq!(text(good(asked).await).await, "hi");
    let (near, mut far) = near_and_far();
    let request = Request::post(&near.url).header("expect", "100-continue");
    let asked = near.ask(request.body(Body::from("hello")).expect("a request"));
    let peer = far.accept().await;
    let mut got = peer.serve(&head(&[(":status", "417")])).await;
    assert_eq!(good(asked).await.status(), StatusCode::EXPECTATION_FAILED);
    got.broken_off().await;
}

#[tokio::test(start_paused = true)]
async fn a_response_may_come_before_its_request_has_been_sent() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    feed.send(piece("one")).expect("the body is there");
    let asked = near.method(Method::POST, body);
    let peer = far.accept().await;
    let mut got = peer.next().await;
    got.send(&answer("early")).await;
    got.finish(&[]).await;
    let response = good(asked).await;
    let reading = tokio::spawn(read(response));
    feed.send(piece("two")).expect("the body is there");
    drop(feed);
    assert_eq!(got.rest().await.expect("no fault").0, b"onetwo");
    assert_eq!(reading.await.expect("no panic").expect("whole").0, "early");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_go_over_http3_is_said_so() {
    let (near, _far) = near_and_far();
    for (request, text) in [
        (Request::get("http://far/"), "HTTP/3 needs TLS: ask by https:"),
        (Request::connect("far:443"), "HTTP/3 needs TLS: ask by https:"),
    ] {
        let error = bad(near.ask(request.body(Body::empty()).expect("a request"))).await;
        assert_eq!((error.kind(), &*error.to_string()), (ClientErrorKind::Request, text));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_than_it_said_is_broken_off() {
    for body in [Wrong(10), Wrong(1)] {
        let (near, mut far) = near_and_far();
        let asked = near.method(Method::POST, Body::new(body));
        let peer = far.accept().await;
        // It may be broken off before its head has gone out.
        let got = peer.try_next().await;
        if let Ok(mut got) = got {
            got.broken_off().await;
        }
        assert_eq!(bad(asked).await.kind(), ClientErrorKind::RequestBody);
    }
    // And one that says none is as long as it is.
    let (near, mut far) = near_and_far();
    let _asked = near.method(Method::PUT, streamed(&["a", "b"]));
    let peer = far.accept().await;
    assert_eq!(peer.next().await.rest().await.expect("no fault").0, b"ab");
}

/// Five bytes that say they are so many.
struct Wrong(u64);

impl http_body::Body for Wrong {
    type Data = bytes::Bytes;
    type Error = dipole_http::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<bytes::Bytes>, dipole_http::BodyError>>> {
        let is_over = self.0 == 0;
        self.0 = 0;
        let frame = || Ok(Frame::data(bytes::Bytes::from_static(b"hello")));
        std::task::Poll::Ready((!is_over).then(frame))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0)
    }
}
