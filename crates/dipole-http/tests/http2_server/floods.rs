//! Clients that send what costs the server more than themselves: each is ended, and costs bounded
//! memory until then.

use dipole_http::{Body, HttpService};
use dipole_net::ConnExt;
use http::Request;
use tokio::time::{Instant, sleep};

use super::client::*;
use crate::support::{Peer, Site, handler, read_all, secs, text, watched};

fn slow() -> impl HttpService {
    handler(async |request: Request<Body>| {
        let _ = read_all(request.into_body()).await;
        sleep(secs(10)).await;
        text("done")
    })
}

/// Sends this, over and over, until the server has had enough of it.
async fn flood(peer: &mut Peer, mut next: impl FnMut(u32) -> Vec<u8>) -> Farewell {
    for round in 0..400 {
        let frames: Vec<u8> = (0..50).flat_map(|number| next(50 * round + number)).collect();
        peer.try_send(frames).await;
    }
    farewell(peer).await
}

#[tokio::test(start_paused = true)]
async fn rapid_resets() {
    let site = Site::new(slow());
    let mut peer = site.connect().await;
    greet(&mut peer, &[]).await;
    let farewell = flood(&mut peer, |number| {
        let stream = 2 * number + 1;
        let reset = frame(RST_STREAM, 0, stream, &8u32.to_be_bytes());
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), reset].concat()
    })
    .await;
    assert_eq!(farewell.goaways.last(), Some(&ENHANCE_YOUR_CALM), "{farewell:?}");
    assert!(site.server.stats().requests < 100, "{:?}", site.server.stats());
    assert_eq!(site.server.stats().open_connections, 0);
}

/// Resets that the client makes the server send (CVE-2025-8671).
#[tokio::test(start_paused = true)]
async fn resets_that_the_server_is_made_to_send() {
    let site = Site::new(slow());
    let mut peer = site.connect().await;
    greet(&mut peer, &[]).await;
    let farewell = flood(&mut peer, |number| {
        let stream = 2 * number + 1;
        // A window update of nothing is a fault of the stream (RFC 9113 section 6.9).
        let fault = frame(WINDOW_UPDATE, 0, stream, &[0; 4]);
        [frame(HEADERS, END_HEADERS, stream, POST), fault].concat()
    })
    .await;
    let last = farewell.goaways.last();
    assert!(last.is_some_and(|&code| code != NO_ERROR), "{:?}", farewell.goaways);
    assert!(farewell.resets.len() < 2000, "{}", farewell.resets.len());
}

#[tokio::test(start_paused = true)]
async fn continuations_without_an_end() {
    for payload in [&b""[..], b"\x00\x01x\x01y", &[0x40; 8000]] {
        let site = Site::new(slow());
        let mut peer = site.connect().await;
        greet(&mut peer, &[]).await;
        peer.send(frame(HEADERS, END_STREAM, 1, GET)).await;
        let farewell = flood(&mut peer, |_| frame(CONTINUATION, 0, 1, payload)).await;
        let last = farewell.goaways.last();
        assert!(last.is_some_and(|&code| code != NO_ERROR), "{:?}", farewell.goaways);
        assert_eq!(site.server.stats().requests, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn empty_pieces_of_a_body() {
    let site = Site::new(slow());
    let mut peer = site.connect().await;
    greet(&mut peer, &[]).await;
    peer.send(frame(HEADERS, END_HEADERS, 1, POST)).await;
    let farewell = flood(&mut peer, |_| frame(DATA, 0, 1, &[])).await;
    assert_eq!(farewell.goaways.last(), Some(&ENHANCE_YOUR_CALM), "{farewell:?}");
}

/// A large field that is sent once, and named by one byte each time afterwards.
#[tokio::test(start_paused = true)]
async fn header_bombs() {
    let site = Site::new(slow());
    let mut peer = site.connect().await;
    greet(&mut peer, &[]).await;
    let mut block = [GET, &[0x40, 1, b'x', 0x7f, 0xc0, 0x1b]].concat();
    block.extend([b'y'; 127 + 0x40 + (0x1b << 7)].iter());
    block.extend([0xbe; 10_000]);
    peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).await;
    let farewell = farewell(&mut peer).await;
    assert_eq!(site.server.stats().requests, 0, "{farewell:?}");
}

#[tokio::test(start_paused = true)]
async fn frames_that_ask_for_nothing() {
    const UNKNOWN: u8 = 0xfe;
    for sent in [
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        frame(SETTINGS, 0, 0, &[]),
        frame(PING, 0, 0, &[7; 8]),
        frame(PING, 1, 0, &[7; 8]),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 16]),
        frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()),
        frame(UNKNOWN, 0, 0, b"what?"),
    ] {
        let site = Site::new(slow());
        let mut peer = site.connect().await;
        greet(&mut peer, &[]).await;
        peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, GET)).await;
        let farewell = flood(&mut peer, |_| sent.clone()).await;
        assert_eq!(farewell.goaways, [ENHANCE_YOUR_CALM], "kind {}: {farewell:?}", sent[3]);
        assert_eq!(site.server.stats().open_connections, 0);
        assert_eq!(site.server.stats().rejected, 1);
    }
}

/// What goes with much data, and what a client asks now and then, is no flood.
#[tokio::test(start_paused = true)]
async fn pings_in_their_measure() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let _ = read_all(request.into_body()).await;
        text("done")
    }));
    let mut peer = site.connect().await;
    greet(&mut peer, &[]).await;
    peer.send(frame(HEADERS, END_HEADERS, 1, POST)).await;
    let (ping, mut told) = (frame(PING, 0, 0, &[7; 8]), Vec::new());
    for _ in 0..50 {
        let beside = [frame(DATA, 0, 1, b"some"), ping.repeat(9)].concat();
        peer.send(beside.repeat(50)).await;
        // The answers are taken, for they are many.
        told.extend(peer.conn.read_binary(50 * 9 * ping.len()).await.expect("answers"));
    }
    for _ in 0..60 {
        sleep(secs(1)).await;
        peer.send([frame(DATA, 0, 1, b"x"), ping.repeat(80)].concat()).await;
        told.extend(peer.conn.read_binary(80 * ping.len()).await.expect("answers"));
    }
    peer.send(frame(DATA, END_STREAM, 1, b"last")).await;
    told.extend(peer.rest_bytes().await.0);
    let farewell = said(&told);
    assert_eq!((&*farewell.answered, farewell.goaways.first()), (&[1][..], Some(&NO_ERROR)));
}

/// What has to be answered, from a client that reads no answer; and what need not be.
#[tokio::test(start_paused = true)]
async fn settings_pings_priorities_and_window_updates() {
    for flood in [
        frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        frame(PING, 0, 0, &[7; 8]),
        frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 16]),
        frame(WINDOW_UPDATE, 0, 0, &1u32.to_be_bytes()),
    ] {
        let (seen, mut peer) = watched(slow()).await;
        let begin = Instant::now();
        greet(&mut peer, &[]).await;
        let mut left = 10_000;
        while left > 0 && begin.elapsed() < secs(20) {
            left -= 100;
            let sent = tokio::time::timeout(secs(60), peer.try_send(flood.repeat(100))).await;
            sent.expect("the server takes it, or ends");
        }
        let (queued, input) = (seen.most_queued(), seen.most_input_memory());
        assert!(queued <= 512 * 1024 && input <= 512 * 1024, "{queued} and {input} bytes");
        farewell(&mut peer).await;
        let took = begin.elapsed();
        assert!(took <= secs(60), "kind {} ended after {took:?}", flood[3]);
    }
}
