//! HTTP/3 beside the other versions: `Alt-Svc`, head start, and what has failed.

use std::time::Duration;

use dipole_http::{Body, ClientConfig, ProtocolChoice};
use dipole_net::{ListenOptions, SendStreamExt};
use dipole_sim::{Network, Reach};
use http::{Method, Request, Response, StatusCode, Version};
use tokio::time::Instant;

use crate::far::{Far, FarConn, GET, good, text};
use crate::far_http2::FarHttp2;
use crate::far_http3::{Asked, Far3, Near3, both};
use crate::wire::{VERSION_FALLBACK, answer, head};

const HELLO: &str = "hello far h2,http/1.1\n";
/// What is sent there is lost.
const HOLE: &str = "10.9.9.9";
const HEAD_START: Duration = Duration::from_millis(300);

/// The same origin on both: `https://far/`, whose HTTP/3 is at the address of the second.
fn raced(change: impl FnOnce(&mut ClientConfig)) -> (Near3, Far, Far3, Network) {
    let (near, far3, network) = both(ListenOptions::default(), |config| {
        config.http3.head_start = HEAD_START;
        change(config);
    });
    let far = Far::listening(&network, "far:443");
    (near, far, far3, network)
}

fn get(near: &Near3) -> Asked {
    near.ask(Request::get("https://far/").body(Body::empty()).expect("a request"))
}

/// A new connection of HTTP/1.1 answers a GET so.
async fn serve_http1(far: &mut Far, alt_svc: &str) -> FarConn {
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    conn.send("agreed http/1.1\n").await;
    serve_again(&mut conn, alt_svc).await;
    conn
}

async fn serve_again(conn: &mut FarConn, alt_svc: &str) {
    conn.expect(GET).await;
    conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n{alt_svc}\r\nold")).await;
}

fn alt_svc(authority: impl std::fmt::Display) -> String {
    format!("alt-svc: h3=\"{authority}\"; ma=60\r\n")
}

/// Asks once over HTTP/1.1, whose response says where HTTP/3 is.
async fn told(near: &Near3, far: &mut Far, authority: impl std::fmt::Display) -> FarConn {
    let asked = get(near);
    let conn = serve_http1(far, &alt_svc(authority)).await;
    let response = good(asked).await;
    assert_eq!(response.version(), Version::HTTP_11);
    assert_eq!(text(response).await, "old");
    conn
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_of_its_http3_is_followed_by_the_next_request() {
    let (near, mut far, mut far3, _) = raced(|_| {});
    let addr = far3.listener.local_addr();
    let _conn = told(&near, &mut far, &addr).await;
    let mut peer = None;
    for _ in 0..3 {
        let asked = get(&near);
        if peer.is_none() {
            peer = Some(far3.accept().await);
        }
        peer.as_ref().expect("a connection").serve(&answer("new")).await;
        let response = good(asked).await;
        assert_eq!(response.version(), Version::HTTP_3);
        assert_eq!(text(response).await, "new");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_without_tls_or_not_to_be_followed_is_not() {
    let (near, _far, mut far3, network) = raced(|_| {});
    let mut plain = Far::listening(&network, "far:80");
    let addr = far3.listener.local_addr();
    for _ in 0..2 {
        let asked = near.ask(Request::get("http://far/").body(Body::empty()).expect("a request"));
        let mut conn = plain.accept().await;
        conn.expect(GET).await;
        let close = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n";
        conn.send(format!("{close}{}\r\nold", alt_svc(&addr))).await;
        assert_eq!(text(good(asked).await).await, "old");
    }
    let (near, mut far, mut far3_of_it, _) = raced(|config| config.http3.follow_alt_svc = false);
    let addr = far3_of_it.listener.local_addr();
    let mut conn = told(&near, &mut far, &addr).await;
    let asked = get(&near);
    serve_again(&mut conn, "").await;
    assert_eq!(good(asked).await.version(), Version::HTTP_11);
    far3.expect_no_dial(Duration::from_millis(1)).await;
    far3_of_it.expect_no_dial(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_cleared_is_not_followed_any_more() {
    let (near, mut far, mut far3, _) = raced(|_| {});
    let addr = far3.listener.local_addr();
    let mut conn = told(&near, &mut far, &addr).await;
    let asked = get(&near);
    let peer = far3.accept().await;
    let cleared = head(&[(":status", "200"), ("alt-svc", "clear")]);
    peer.serve(&cleared).await;
    assert_eq!(text(good(asked).await).await, "");
    let asked = get(&near);
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_the_head_start_once() {
    let (near, mut far, _far3, network) = raced(|_| {});
    network.set_reach(HOLE, Reach::Silent);
    let mut conn = told(&near, &mut far, format_args!("{HOLE}:443")).await;
    let begin = Instant::now();
    let asked = get(&near);
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
    let cost = begin.elapsed();
    assert!(cost >= HEAD_START && cost < HEAD_START * 3, "{cost:?}");
    for _ in 0..3 {
        let begin = Instant::now();
        let asked = get(&near);
        // It is said again all the time.
        let said = alt_svc(format_args!("{HOLE}:443"));
        serve_again(&mut conn, &said).await;
        assert_eq!(text(good(asked).await).await, "old");
        assert!(begin.elapsed() < HEAD_START, "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_is_tried_again_later() {
    let (near, mut far, _far3, network) = raced(|config| {
        config.http3.head_start = Duration::from_millis(20);
        config.http3.retry_after = Duration::from_millis(100);
    });
    network.set_reach(HOLE, Reach::Silent);
    let mut conn = told(&near, &mut far, format_args!("{HOLE}:443")).await;
    let mut before = network.stats().dials;
    let mut heard = || {
        let dials = network.stats().dials;
        std::mem::replace(&mut before, dials) < dials
    };
    for (wait, is_tried) in [(0, true), (0, false), (150, true), (0, false), (150, false)] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let asked = get(&near);
        serve_again(&mut conn, "").await;
        assert_eq!(text(good(asked).await).await, "old");
        assert_eq!(heard(), is_tried, "after {wait}");
    }
    near.client.network_changed();
    let asked = get(&near);
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
    assert!(!heard(), "what was said is of the network that was");
}

#[tokio::test(start_paused = true)]
async fn http3_that_fails_at_once_costs_nothing() {
    let (near, mut far, _far3, _) = raced(|config| config.http3.head_start = HEAD_START * 10);
    // Nobody there by that name.
    let mut conn = told(&near, &mut far, "nowhere.invalid:443").await;
    let begin = Instant::now();
    let asked = get(&near);
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
    assert!(begin.elapsed() < HEAD_START * 9, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_misdirected_sends_the_request_to_the_origin() {
    let (near, mut far, mut far3, _) = raced(|_| {});
    let addr = far3.listener.local_addr();
    let mut conn = told(&near, &mut far, &addr).await;
    let asked = get(&near);
    let peer = far3.accept().await;
    peer.serve(&head(&[(":status", "421")])).await;
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
    // And the next one there at once.
    let asked = get(&near);
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
}

#[tokio::test(start_paused = true)]
async fn a_server_may_ask_for_another_version() {
    let (near, mut far, mut far3, _) = raced(|_| {});
    let addr = far3.listener.local_addr();
    let mut conn = told(&near, &mut far, &addr).await;
    let asked = get(&near);
    let peer = far3.accept().await;
    let mut got = peer.next().await;
    got.send.cancel_write(VERSION_FALLBACK);
    serve_again(&mut conn, "").await;
    assert_eq!(text(good(asked).await).await, "old");
    // For this request alone.
    let asked = get(&near);
    peer.serve(&answer("new")).await;
    assert_eq!(text(good(asked).await).await, "new");
}

/// RFC 9220 on the one side, RFC 8441 on the other.
#[tokio::test(start_paused = true)]
async fn a_tunnel_that_http3_does_not_take_goes_over_http2() {
    let (near, mut far, mut far3, _) = raced(|_| {});
    let addr = far3.listener.local_addr();
    let asked = get(&near);
    let mut conn = far.accept().await;
    conn.expect(HELLO).await;
    conn.send("agreed h2\n").await;
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol();
    let mut over_http2 = FarHttp2::built(conn, &builder).await;
    let mut first = over_http2.next().await;
    let told = Response::builder().header("alt-svc", format!("h3=\"{addr}\"; ma=60"));
    let told = told.body(()).expect("a response");
    first.respond.send_response(told, true).expect("the client waits");
    let serving = tokio::spawn(async move {
        let asked = over_http2.next().await;
        over_http2.run();
        asked
    });
    assert_eq!(good(asked).await.version(), Version::HTTP_2);
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri("https://far/chat")
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(Body::empty());
    let asked = near.ask(request.expect("a request"));
    // Its settings say nothing of extended CONNECT.
    let peer = far3.accept().await;
    let mut tunnel = serving.await.expect("no panic");
    let protocol = tunnel.request.extensions().get::<h2::ext::Protocol>();
    assert_eq!(protocol.map(h2::ext::Protocol::as_str), Some("websocket"));
    assert_eq!(tunnel.request.uri(), "https://far/chat");
    let _sending = tunnel.respond.send_response(Response::new(()), false).expect("it waits");
    let response = good(asked).await;
    assert_eq!((response.version(), response.status()), (Version::HTTP_2, StatusCode::OK));
    // HTTP/3 goes on serving what it takes; the stream that was kept for the tunnel is broken off.
    let asked = get(&near);
    assert!(peer.try_next().await.is_err());
    peer.serve(&answer("new")).await;
    assert_eq!(text(good(asked).await).await, "new");
}

#[tokio::test(start_paused = true)]
async fn http3_may_be_tried_where_nobody_has_said_that_it_is_there() {
    let first = |config: &mut ClientConfig| config.protocol = ProtocolChoice::Http3First;
    let (near, mut far, mut far3, _) = raced(first);
    let asked = near.get();
    let peer = far3.accept().await;
    peer.serve(&answer("new")).await;
    assert_eq!(good(asked).await.version(), Version::HTTP_3);
    // And the others where it is not.
    let asked = get(&near);
    serve_http1(&mut far, "").await;
    assert_eq!(text(good(asked).await).await, "old");
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_try_http3_once_and_share_its_connection() {
    let (near, mut far, mut far3, _) = raced(|config| config.http3.head_start = HEAD_START * 10);
    let addr = far3.listener.local_addr();
    let _conn = told(&near, &mut far, &addr).await;
    let asked: Vec<_> = (0..30).map(|_| get(&near)).collect();
    let peer = far3.accept().await;
    for _ in 0..30 {
        let mut got = peer.next().await;
        got.send(&answer("new")).await;
        got.send.close().await.expect("the client is there");
    }
    for asked in asked {
        let response = good(asked).await;
        assert_eq!(response.version(), Version::HTTP_3);
        assert_eq!(text(response).await, "new");
    }
    far3.expect_no_dial(Duration::from_millis(20)).await;
}
