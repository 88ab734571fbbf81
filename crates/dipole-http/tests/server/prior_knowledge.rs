//! HTTP/2 without TLS, from a client that begins with it (RFC 9113 section 3.3).

use dipole_http::HttpService;
use dipole_net::Conn;
use tokio::time::Instant;

use crate::support::{Peer, Site, expect_on_time, handler, ms, secs, settle, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame of settings without any.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn hello() -> impl HttpService {
    handler(async |_| text("hello"))
}

/// The server's first frame is one of settings.
async fn expect_http2(peer: &mut Peer) {
    settle().await;
    peer.expect_held(9).await;
    let frame = &peer.conn.buffered()[..9];
    assert_eq!((frame[3], &frame[5..]), (4, &[0; 4][..]), "settings, of the connection");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_begins_with_the_preface_is_served_http2() {
    let site = Site::new(hello());
    let mut whole = site.connect().await;
    whole.send([PREFACE.as_bytes(), SETTINGS].concat()).await;
    expect_http2(&mut whole).await;
    let mut bit_by_bit = site.connect().await;
    for byte in [PREFACE.as_bytes(), SETTINGS].concat() {
        bit_by_bit.send([byte]).await;
        settle().await;
    }
    expect_http2(&mut bit_by_bit).await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_begin_like_the_preface_are_answered_at_once() {
    let site = Site::new(hello());
    for method in ["P", "PR", "PRI", "PUT", "C"] {
        let mut peer = site.connect().await;
        let begin = Instant::now();
        let answer = peer.ask(format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        answer.expect(200, &[("content-length", "5")], "hello");
        assert!(begin.elapsed() <= ms(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_preface_that_does_not_come_whole_has_the_time_of_a_head() {
    let site = Site::new(hello());
    for part in [1, 4, 17] {
        let mut peer = site.connect().await;
        let begin = Instant::now();
        peer.send(&PREFACE[..part]).await;
        peer.answer().await.expect_refusal(408);
        expect_on_time(begin, secs(15));
    }
}

#[tokio::test(start_paused = true)]
async fn a_preface_whose_second_half_is_missing_has_the_time_of_a_first_request() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.send(&PREFACE[..18]).await;
    peer.rest_bytes().await;
    assert!(begin.elapsed() <= secs(20), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn after_a_request_of_http1_the_preface_is_a_request_of_a_wrong_version() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    peer.ask(PREFACE).await.expect_refusal(505);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_switched_off() {
    let site = Site::configured(hello(), |config| config.http2.prior_knowledge = false);
    let mut peer = site.connect().await;
    peer.ask(PREFACE).await.expect_refusal(505);
}
