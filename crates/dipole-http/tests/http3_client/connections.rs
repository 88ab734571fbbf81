//! Connections: how many there are, when they end, and what becomes of the requests on them.

use std::time::Duration;

use dipole_http::{Body, ClientErrorKind, ProtocolChoice};
use dipole_net::{ErrorKind, Initiator, ListenOptions, SendStreamExt};
use http::Method;

use crate::far::{bad, good, text};
use crate::far_http3::{both, configured, near_and_far, unanswered};
use crate::wire::{GOAWAY, NO_ERROR, REQUEST_REJECTED, answer, frame, head, integer};

const A_MOMENT: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn another_connection_is_made_where_the_server_allows_no_more_streams() {
    let mut options = ListenOptions::default();
    options.streams.streams = 2;
    let (near, mut far, _) = both(options, |config| config.protocol = ProtocolChoice::Http3);
    let mut asked: Vec<_> = (0..2).map(|_| near.get()).collect();
    let one = far.accept().await;
    let (mut first, _second) = (one.next().await, one.next().await);
    let third = near.get();
    let two = far.accept().await;
    two.serve(&answer("two")).await;
    assert_eq!(text(good(third).await).await, "two");
    first.send(&answer("one")).await;
    first.send.close().await.expect("the client is there");
    let (done, _) = tokio::select! {
        done = good(asked.remove(0)) => (done, ()),
        done = good(asked.remove(0)) => (done, ()),
    };
    assert_eq!(text(done).await, "one");
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_a_stream_where_no_more_connections_are_allowed() {
    let mut options = ListenOptions::default();
    options.streams.streams = 1;
    let (near, mut far, _) = both(options, |config| {
        config.protocol = ProtocolChoice::Http3;
        config.max_connections_per_host = Some(1);
    });
    let asked: Vec<_> = (0..5).map(|_| near.get()).collect();
    let peer = far.accept().await;
    for _ in 0..5 {
        let mut got = peer.serve(&answer("hi")).await;
        got.rest().await.expect("it ends in order");
    }
    for asked in asked {
        assert_eq!(text(good(asked).await).await, "hi");
    }
    far.expect_no_dial(A_MOMENT).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_away_ends_what_it_looks_at_and_the_rest_goes_elsewhere() {
    let (near, mut far) = near_and_far();
    let kept = near.get();
    let one = far.accept().await;
    let mut first = one.next().await;
    // One that the server does not look at, and that must not be lost: it is not idempotent.
    let moved = near.method(Method::POST, Body::from("body"));
    let _second = one.next().await;
    one.control(&frame(GOAWAY, &integer(first.send.id() + 4))).await;
    let two = far.accept().await;
    let mut again = two.serve(&answer("two")).await;
    assert_eq!(again.rest().await.expect("no fault").0, b"body");
    assert_eq!(text(good(moved).await).await, "two");
    // No new request goes where the server goes away.
    let asked = near.get();
    two.serve(&answer("two")).await;
    assert_eq!(text(good(asked).await).await, "two");
    first.send(&answer("one")).await;
    first.send.close().await.expect("the client is there");
    assert_eq!(text(good(kept).await).await, "one");
    // With its last request the connection ends.
    let expected =
        ErrorKind::Application { code: NO_ERROR, reason: "".into(), by: Initiator::Peer };
    let closed = one.closed().await;
    let ErrorKind::Application { code, by, .. } = closed.kind() else { panic!("{closed}") };
    assert_eq!((*code, *by), (NO_ERROR, Initiator::Peer), "{expected:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_rejected_is_sent_again() {
    for method in [Method::GET, Method::POST] {
        let (near, mut far) = near_and_far();
        let asked = near.method(method, Body::from("body"));
        let peer = far.accept().await;
        let mut got = peer.next().await;
        got.receive.cancel_read(REQUEST_REJECTED);
        got.send.cancel_write(REQUEST_REJECTED);
        let mut again = peer.serve(&answer("hi")).await;
        assert_eq!(again.rest().await.expect("no fault").0, b"body");
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_rejected_again_and_again_is_given_up() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept().await;
    let rejecting = tokio::spawn(async move {
        loop {
            peer.next().await.send.cancel_write(REQUEST_REJECTED);
        }
    });
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection);
    rejecting.abort();
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_request_survives_a_kept_connection_that_is_gone() {
    for code in [NO_ERROR, 0] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let one = far.accept().await;
        one.serve(&answer("one")).await;
        assert_eq!(text(good(asked).await).await, "one");
        one.conn.close_with_error(code, b"");
        let asked = near.get();
        let two = far.accept().await;
        two.serve(&answer("two")).await;
        assert_eq!(text(good(asked).await).await, "two");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_ends_after_the_idle_time() {
    let (near, mut far) = configured(|config| config.idle_timeout = Duration::from_millis(100));
    let asked = near.get();
    let peer = far.accept().await;
    peer.serve(&answer("hi")).await;
    assert_eq!(text(good(asked).await).await, "hi");
    let closed = peer.closed().await;
    let is_in_order = matches!(closed.kind(), ErrorKind::Application { code: NO_ERROR, .. });
    assert!(is_in_order, "{closed}");
    let asked = near.get();
    let again = far.accept().await;
    again.serve(&answer("hi")).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_client() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let peer = far.accept().await;
    peer.serve(&answer("hi")).await;
    assert_eq!(text(good(asked).await).await, "hi");
    drop(near);
    let closed = peer.closed().await;
    assert!(matches!(closed.kind(), ErrorKind::Application { code: NO_ERROR, .. }), "{closed}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_used_beyond_its_age() {
    let (near, mut far) = configured(|config| {
        config.max_connection_age = Some(Duration::from_millis(20));
    });
    let asked = near.get();
    let one = far.accept().await;
    one.serve(&answer("one")).await;
    assert_eq!(text(good(asked).await).await, "one");
    tokio::time::sleep(Duration::from_millis(30)).await;
    let asked = near.get();
    let two = far.accept().await;
    two.serve(&answer("two")).await;
    assert_eq!(text(good(asked).await).await, "two");
}

#[tokio::test(start_paused = true)]
async fn heads_have_limits_and_only_their_request_fails() {
    let (near, mut far) = configured(|config| {
        config.max_head_bytes = 4096;
        config.max_headers = 10;
    });
    let many: Vec<_> = (0..11).map(|at| format!("x-{at}")).collect();
    let mut fields = vec![(":status", "200")];
    fields.extend(many.iter().map(|name| (&**name, "1")));
    let large = "x".repeat(3000);
    // RFC 9114 4.2.2 counts 32 bytes more for each field.
    let wide: Vec<_> = (0..40).map(|at| format!("y{at}")).collect();
    let mut counted = vec![(":status", "200"), ("x", &*large)];
    counted.extend(wide.iter().map(|name| (&**name, "")));
    let mut peer = None;
    for (bad_head, text_of) in [(head(&fields), "max_headers"), (head(&counted), "max_head_bytes")]
    {
        let asked = near.get();
        if peer.is_none() {
            peer = Some(far.accept().await);
        }
        let peer = peer.as_ref().expect("a connection");
        let mut got = peer.next().await;
        got.send(&bad_head).await;
        let error = bad(asked).await;
        assert_eq!(error.kind(), ClientErrorKind::Response);
        assert!(error.to_string().contains(text_of), "{error}");
        let asked = near.get();
        peer.serve(&answer("hi")).await;
        assert_eq!(text(good(asked).await).await, "hi");
    }
    far.expect_no_dial(A_MOMENT).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_connection_that_cannot_be_made_is_told_at_once() {
    let near = unanswered(|config| config.dial_timeout = Some(Duration::from_millis(200)));
    let begin = tokio::time::Instant::now();
    let asked: Vec<_> = (0..20).map(|_| near.get()).collect();
    for asked in asked {
        assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connect);
    }
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}
