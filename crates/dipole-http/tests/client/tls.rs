//! `https:` requests: what is asked of the TLS layer, and what is made of its answer.

use std::time::Duration;

use dipole_http::{Body, Client, ClientConfig, ClientErrorKind, Deadline, ProtocolChoice};
use dipole_sim::{Config, Network};
use http::{Request, Version};
use tokio::time::Instant;

use crate::fake_tls::FakeTls;
use crate::far::{Far, Near, OK, bad, good, settle, text};
use crate::far_http2::serve;

fn secured(change: impl FnOnce(&mut ClientConfig)) -> (Near, Far) {
    let network = Network::new(Config::default());
    let far = Far::listening(&network, "far:443");
    let mut config = ClientConfig::default();
    change(&mut config);
    let builder = Client::builder().with_dialer(network.clone()).with_tls(FakeTls);
    (Near { client: builder.config(config).build(), network }, far)
}

fn get() -> Request<Body> {
    Request::get("https://far/").body(Body::empty()).expect("a request")
}

const HELLO: &str = "hello far h2,http/1.1\n";

#[tokio::test(start_paused = true)]
async fn a_server_may_choose_http1() {
    for chosen in ["http/1.1", ""] {
        let (near, mut far) = secured(|_| {});
        let asked = near.ask(get());
        let mut conn = far.accept().await;
        conn.expect(HELLO).await;
        conn.send(format!("agreed {chosen}\n")).await;
        conn.expect("GET / HTTP/1.1\r\nhost: far\r\n\r\n").await;
        conn.send(OK).await;
        assert_eq!(text(good(asked).await).await, "hi");
        // It is kept, as any other is.
        let asked = near.ask(get());
        conn.expect("GET / HTTP/1.1\r\nhost: far\r\n\r\n").await;
        conn.send(OK).await;
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_may_choose_http2() {
    let (near, mut far) = secured(|_| {});
    let asked = near.ask(get());
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    conn.send("agreed h2\n").await;
    let _serving = serve(conn, |request| async move {
        assert_eq!(request.uri(), "https://far/");
        http::Response::new("over h2".into())
    });
    let response = good(asked).await;
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(text(response).await, "over h2");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_asked_for_is_offered_and_taken() {
    for (choice, offered, chosen, is_good) in [
        (ProtocolChoice::Http1, "http/1.1", "", true),
        (ProtocolChoice::Http1, "http/1.1", "h2", false),
        (ProtocolChoice::Http2, "h2", "", false),
        (ProtocolChoice::Http2, "h2", "http/1.1", false),
        (ProtocolChoice::Negotiated, "h2,http/1.1", "spdy/3", false),
    ] {
        let (near, mut far) = secured(|config| config.protocol = choice);
        let asked = near.ask(get());
        let mut conn = far.accept().await;
        conn.expect(format!("hello far {offered}\n")).await;
        conn.send(format!("agreed {chosen}\n")).await;
        if is_good {
            conn.expect("GET / ").await;
            continue;
        }
        let error = bad(asked).await;
        assert_eq!(error.kind(), ClientErrorKind::Connect, "{choice:?} {chosen}: {error}");
        conn.expect_closed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_takes_so_long_at_most() {
    let (near, mut far) = secured(|config| config.handshake_timeout = Some(Duration::from_secs(3)));
    let begin = Instant::now();
    let asked = near.ask(get());
    let _silent = far.accept().await;
    let error = bad(asked).await;
    assert_eq!(error.deadline(), Some(Deadline::Handshake), "{error}");
    assert_eq!((error.kind(), begin.elapsed().as_secs()), (ClientErrorKind::Connect, 3));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_says_why() {
    let (near, mut far) = secured(|_| {});
    let asked = near.ask(get());
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    conn.send("the certificate is of yesterday\n").await;
    let error = bad(asked).await;
    assert_eq!((error.kind(), error.is_timeout()), (ClientErrorKind::Connect, false));
    let text = error.to_string();
    assert!(text.starts_with("no TLS with far:443 as far ("), "{text}");
    assert!(text.contains("the certificate is of yesterday"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn without_a_layer_there_is_no_https() {
    let (near, _far) = crate::far::near_and_far();
    let error = bad(near.ask(get())).await;
    assert_eq!(error.kind(), ClientErrorKind::Request);
    assert!(error.to_string().contains("`with_tls`"), "{error}");
    assert_eq!(near.network.stats().dials, 0);
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_first_handshake_to_know_whether_they_can_share_a_connection() {
    let (near, mut far) = secured(|_| {});
    let asked: Vec<_> = (0..10).map(|_| near.ask(get())).collect();
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    far.expect_no_dial().await;
    conn.send("agreed h2\n").await;
    let _serving = serve(conn, |_| async { http::Response::new("shared".into()) });
    for asked in asked {
        assert_eq!(text(good(asked).await).await, "shared");
    }
    assert_eq!(near.network.stats().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_share_a_connection_make_their_own() {
    let (near, mut far) = secured(|_| {});
    let asked: Vec<_> = (0..3).map(|_| near.ask(get())).collect();
    let mut conns = Vec::new();
    for _ in &asked {
        let mut conn = far.accept().await;
        conn.expect(HELLO).await;
        conn.send("agreed http/1.1\n").await;
        conns.push(conn);
    }
    for conn in &mut conns {
        conn.expect("GET / HTTP/1.1\r\nhost: far\r\n\r\n").await;
        conn.send(OK).await;
    }
    for asked in asked {
        assert_eq!(text(good(asked).await).await, "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_handshake_fail_with_it() {
    let (near, mut far) = secured(|_| {});
    let asked: Vec<_> = (0..3).map(|_| near.ask(get())).collect();
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    conn.send("no\n").await;
    for asked in asked {
        let error = bad(asked).await;
        assert!(error.to_string().starts_with("no TLS with far:443"), "{error}");
    }
    assert_eq!(near.network.stats().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn when_the_one_that_handshakes_gives_up_the_next_goes_on() {
    let (near, mut far) = secured(|_| {});
    let first = near.ask(get());
    let mut silent = far.accept().await;
    silent.expect(HELLO).await;
    let second = near.ask(get());
    settle().await;
    first.abort();
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    conn.send("agreed http/1.1\n").await;
    conn.expect("GET / HTTP/1.1\r\nhost: far\r\n\r\n").await;
    conn.send(OK).await;
    assert_eq!(text(good(second).await).await, "hi");
}
