//! Requests for a tunnel: extended CONNECT (RFC 9220), and CONNECT to a proxy.

use std::time::Duration;

use dipole_http::{Body, Client, ClientConfig, ClientErrorKind, ProtocolChoice};
use dipole_net::{ErrorKind, Initiator, ListenOptions, ReceiveStreamExt, SendStreamExt, Stream};
use http::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::far::{bad, by_hand, good, piece, text};
use crate::far_http3::{Far3, Near3, Peer, both, configured, near_and_far};
use crate::wire::{DATA, HEADERS, REQUEST_CANCELLED, answer, data, head};

/// Extended CONNECT is taken.
const SETTINGS: &[u8] = &[0x08, 0x01];

fn websocket(near: &Near3, body: Body) -> Request<Body> {
    Request::builder()
        .method(Method::CONNECT)
        .uri(format!("{}chat", near.url))
        .extension(hyper::ext::Protocol::from_static("websocket"))
        .body(body)
        .expect("a request")
}

fn holds(section: &[u8], text: &str) -> bool {
    section.windows(text.len()).any(|part| part == text.as_bytes())
}

/// A connection, and the head of the next request on it.
async fn next_head(far: &mut Far3, settings: &[u8]) -> (Peer, Stream, Vec<u8>) {
    let peer = far.accept_with(settings).await;
    let mut stream = peer.conn.accept_stream().await.expect("a request");
    let head = stream.receive.read().await.expect("no fault").expect("a head");
    assert_eq!(u64::from(head[0]), HEADERS);
    (peer, stream, head.to_vec())
}

#[tokio::test(start_paused = true)]
async fn an_extended_connect_gives_a_tunnel_that_hyper_hands_out() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(websocket(&near, Body::empty()));
    let (_peer, mut stream, section) = next_head(&mut far, SETTINGS).await;
    assert!(holds(&section, ":protocol") && holds(&section, "websocket"));
    assert!(holds(&section, "/chat"));
    stream.send.write_all(&head(&[(":status", "200")])).await.expect("the client is there");
    stream.send.write_all(&data("first")).await.expect("the client is there");
    let response = good(asked).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.expect("an upgrade"));
    let mut first = [0; 5];
    io.read_exact(&mut first).await.expect("what came with the answer");
    assert_eq!(&first, b"first");
    io.write_all(b"second").await.expect("the server is there");
    let sent = stream.receive.read().await.expect("no fault").expect("data");
    assert_eq!(&sent[..], data("second"));
    // Each way ends by itself.
    io.shutdown().await.expect("the server is there");
    assert_eq!(stream.receive.read().await.expect("no fault"), None);
    stream.send.write_all(&data("third")).await.expect("the client is there");
    stream.send.close().await.expect("the client is there");
    let mut rest = Vec::new();
    io.read_to_end(&mut rest).await.expect("an end in order");
    assert_eq!(rest, b"third");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_dropped_ends_in_order_and_asks_for_no_more() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(websocket(&near, Body::empty()));
    let (_peer, mut stream, _) = next_head(&mut far, SETTINGS).await;
    stream.send.write_all(&head(&[(":status", "200")])).await.expect("the client is there");
    let mut io = TokioIo::new(hyper::upgrade::on(good(asked).await).await.expect("an upgrade"));
    io.write_all(b"last").await.expect("the server is there");
    drop(io);
    let sent = stream.receive.read_to_end(100).await.expect("an end in order");
    assert_eq!(&sent[..], data("last"));
    assert_eq!(stream.send.stopped().await.expect("no fault"), Some(0x100));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_the_server_breaks_off_is_an_error() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(websocket(&near, Body::empty()));
    let (peer, mut stream, _) = next_head(&mut far, SETTINGS).await;
    stream.send.write_all(&head(&[(":status", "200")])).await.expect("the client is there");
    let mut io = TokioIo::new(hyper::upgrade::on(good(asked).await).await.expect("an upgrade"));
    stream.send.cancel_write(REQUEST_CANCELLED);
    let error = io.read(&mut [0; 10]).await.expect_err("it is cut short");
    let error = error.get_ref().and_then(|error| error.downcast_ref::<dipole_net::Error>());
    let kind = error.expect("the network's error").kind();
    assert!(matches!(kind, ErrorKind::StreamReset { code: REQUEST_CANCELLED, .. }), "{kind:?}");
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_not_said_that_it_takes_them_is_not_asked() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(websocket(&near, Body::empty()));
    let peer = far.accept().await;
    let error = bad(asked).await;
    assert_eq!(error.kind(), ClientErrorKind::Request);
    assert!(error.to_string().contains("takes no extended CONNECT"), "{error}");
    // The connection serves others; what was reserved for that one is broken off.
    let asked = near.get();
    let unused = peer.try_next().await.err().expect("nothing but its end");
    let expected = ErrorKind::StreamReset { code: REQUEST_CANCELLED, by: Initiator::Peer };
    assert_eq!(unused.kind(), &expected);
    peer.serve(&answer("hi")).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_says_what_it_takes_is_waited_for_as_long_as_for_an_answer() {
    let (near, mut far) =
        configured(|config| config.response_timeout = Some(Duration::from_secs(1)));
    let asked = near.ask(websocket(&near, Body::empty()));
    let _peer = far.accept_silent().await;
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer_like_any_other_and_the_request_ends() {
    let (near, mut far) = near_and_far();
    let asked = near.ask(websocket(&near, Body::empty()));
    let peer = far.accept_with(SETTINGS).await;
    let mut got = peer.next().await;
    let refusal = [head(&[(":status", "403"), ("content-length", "2")]), data("no")].concat();
    got.finish(&refusal).await;
    let response = good(asked).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(response).await, "no");
    assert_eq!(got.rest().await.expect("it ends in order"), (Vec::new(), false));
}

#[tokio::test(start_paused = true)]
async fn the_bodies_are_the_tunnel_where_the_request_has_one() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.ask(websocket(&near, body));
    let peer = far.accept_with(SETTINGS).await;
    let mut got = peer.next().await;
    feed.send(piece("up")).expect("the body is there");
    assert_eq!(got.frame().await.expect("no fault"), Some((DATA, b"up".to_vec())));
    got.send(&[head(&[(":status", "200")]), data("down")].concat()).await;
    let response = good(asked).await;
    got.send.close().await.expect("the client is there");
    drop(feed);
    assert_eq!(text(response).await, "down");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_makes_a_tunnel_over_http3() {
    let (_, mut far, network) = both(ListenOptions::default(), |_| {});
    let addr = far.listener.local_addr();
    let mut config = ClientConfig::default();
    config.protocol = ProtocolChoice::Http3;
    let client = Client::builder()
        .with_dialer(network.clone())
        .with_stream_dialer(network.streams().protocols(["h3"]))
        .address(addr.clone())
        .config(config)
        .build();
    let near = Near3 { client, url: format!("https://{addr}/") };
    let request = Request::connect("target:443").body(Body::empty()).expect("a request");
    let asked = near.ask(request);
    let (_peer, mut stream, section) = next_head(&mut far, &[]).await;
    assert!(holds(&section, "target:443"));
    // RFC 9114 4.4: neither a scheme nor a path, which the static table has at 22, 23 and 1.
    assert!(![0xc0 | 22, 0xc0 | 23, 0xc0 | 1].iter().any(|index| section[..6].contains(index)));
    stream.send.write_all(&head(&[(":status", "200")])).await.expect("the client is there");
    let mut io = TokioIo::new(hyper::upgrade::on(good(asked).await).await.expect("a tunnel"));
    io.write_all(b"hello").await.expect("the server is there");
    let sent = stream.receive.read().await.expect("no fault").expect("data");
    assert_eq!(&sent[..], data("hello"));
}
