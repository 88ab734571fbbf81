//! Requests that ask for another protocol on their connection (RFC 9110 section 7.8).

use std::future::poll_fn;
use std::pin::Pin;

use axum::Router;
use axum::routing::any;
use dipole_http::{Body, Drained, HttpService};
use dipole_io::AsyncConn;
use dipole_net::{Conn, ConnExt};
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::rt::{Read, ReadBuf, Write};
use hyper::upgrade::Upgraded;
use tokio::time::{Instant, sleep};

use crate::support::{
    Calls, End, Peer, Site, expect_on_time, handler, read_all, secs, settle, shouting_socket, text,
};

const UPGRADE: &str =
    "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: upper-case\r\n\r\n";

async fn read(io: &mut Upgraded, most: usize) -> std::io::Result<Vec<u8>> {
    let mut room = vec![0; most];
    poll_fn(|cx| {
        let mut buffer = ReadBuf::new(&mut room);
        let read = Pin::new(&mut *io).poll_read(cx, buffer.unfilled());
        read.map_ok(|()| buffer.filled().to_vec())
    })
    .await
}

async fn write(io: &mut Upgraded, mut data: &[u8]) -> std::io::Result<()> {
    while !data.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, data)).await?;
        data = &data[written..];
    }
    poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await
}

/// Answers everything that comes in capital letters, until the client ends.
async fn shout(mut io: Upgraded) -> std::io::Result<()> {
    loop {
        let data = read(&mut io, 5).await?;
        if data.is_empty() {
            return poll_fn(|cx| Pin::new(&mut io).poll_shutdown(cx)).await;
        }
        write(&mut io, &data.to_ascii_uppercase()).await?;
    }
}

/// Upgrades every request that hyper can.
fn shouting(calls: &Calls) -> impl HttpService<ResponseBody = Body> {
    let calls = calls.clone();
    handler(move |mut request: Request<Body>| {
        let calls = calls.clone();
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(io) = upgrade.await else { return calls.note("no upgrade") };
                let ended = shout(io).await;
                calls.note(if ended.is_ok() { "ended" } else { "broken off" });
            });
            let answer = Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header("connection", "upgrade")
                .header("upgrade", "upper-case");
            answer.body(Body::empty()).expect("a response")
        }
    })
}

async fn expect_bytes(peer: &mut Peer, bytes: &[u8]) {
    peer.expect_held(bytes.len()).await;
    assert_eq!(peer.conn.read_binary(bytes.len()).await.expect("held"), bytes);
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_the_connection_and_no_byte_behind_the_request_is_lost() {
    let calls = Calls::default();
    let site = Site::new(shouting(&calls));
    let mut peer = site.connect().await;
    peer.send(format!("{UPGRADE}one two three four")).await;
    let answer = peer.answer().await;
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("upper-case")));
    assert_eq!(answer.field("connection"), Some("upgrade"));
    expect_bytes(&mut peer, b"ONE TWO THREE FOUR").await;
    peer.send("five").await;
    expect_bytes(&mut peer, b"FIVE").await;
    peer.half_close().await;
    peer.expect_end().await;
    assert_eq!(calls.list(), ["ended"]);
    assert_eq!(site.server.stats().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn requests_before_it_are_answered_first() {
    let site = Site::new(handler(async |mut request: Request<Body>| {
        if request.headers().contains_key("upgrade") {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move { shout(upgrade.await.expect("an upgrade")).await });
            let answer = Response::builder().status(101).header("upgrade", "x");
            return answer.body(Body::empty()).expect("a response");
        }
        sleep(secs(1)).await;
        text("plain")
    }));
    let mut peer = site.connect().await;
    peer.send(format!("GET / HTTP/1.1\r\nhost: a\r\n\r\n{UPGRADE}more")).await;
    peer.answer().await.expect(200, &[("content-length", "5")], "plain");
    assert_eq!(peer.answer().await.status, 101);
    expect_bytes(&mut peer, b"MORE").await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_the_handler_does_not_make_is_answered_and_ends_the_connection() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let (data, _) = read_all(request.into_body()).await.expect("a body");
        text(format!("{} bytes", data.len()))
    }));
    let mut peer = site.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n";
    let answer = peer.ask(format!("{head}content-length: 4\r\n\r\nbody")).await;
    answer.expect(200, &[("connection", "close"), ("content-length", "7")], "4 bytes");
    peer.expect_end().await;
    assert_eq!(site.server.stats().open_connections, 0);
}

/// RFC 9113 section 3.1 and RFC 9110 section 7.8.
#[tokio::test(start_paused = true)]
async fn upgrades_to_http2_and_tls_and_without_their_option_are_left_out() {
    let site = Site::new(handler(async |mut request: Request<Body>| {
        let upgrade = hyper::upgrade::on(&mut request).await;
        text(if upgrade.is_ok() { "upgraded" } else { "plain" })
    }));
    for fields in [
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__",
        "connection: upgrade\r\nupgrade: TLS/1.0",
        "connection: upgrade\r\nupgrade: TLS/1.2, h2c",
        "connection: upgrade\r\nupgrade:",
        "upgrade: websocket",
    ] {
        let mut peer = site.connect().await;
        for _ in 0..2 {
            let answer = peer.ask(format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n")).await;
            answer.expect(200, &[("content-length", "5")], "plain");
        }
        let answer = peer.ask(format!("GET / HTTP/1.0\r\nhost: a\r\n{fields}\r\n\r\n")).await;
        assert_eq!(answer.text(), "plain");
    }
}

#[tokio::test(start_paused = true)]
async fn connect_gives_a_tunnel() {
    let site = Site::new(handler(async |mut request: Request<Body>| {
        assert_eq!(request.uri(), "far:443");
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move { shout(upgrade.await.expect("a tunnel")).await });
        Response::new(Body::empty())
    }));
    let mut peer = site.connect().await;
    peer.send("CONNECT far:443 HTTP/1.1\r\nhost: far:443\r\n\r\nhello").await;
    peer.expect_held(1).await;
    let held = peer.so_far().await;
    assert!(held.starts_with("HTTP/1.1 200 OK\r\n") && held.ends_with("\r\n\r\nHELLO"), "{held}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_an_upgraded_connection_and_breaks_it_off_by_its_deadline() {
    for ends_by_itself in [true, false] {
        let calls = Calls::default();
        let site = Site::new(shouting(&calls));
        let mut peer = site.connect().await;
        assert_eq!(peer.ask(UPGRADE).await.status, 101);
        settle().await;
        assert_eq!(site.server.stats().open_connections, 1);
        let (server, begin) = (site.server.clone(), Instant::now());
        let shutdown = tokio::spawn(async move { server.shutdown(secs(30)).await });
        sleep(secs(10)).await;
        peer.send("still there").await;
        expect_bytes(&mut peer, b"STILL THERE").await;
        if ends_by_itself {
            peer.half_close().await;
            assert_eq!(shutdown.await.expect("no panic"), Drained::Whole);
            expect_on_time(begin, secs(10));
            assert_eq!(calls.list(), ["ended"]);
        } else {
            assert_eq!(shutdown.await.expect("no panic"), Drained::CutShort);
            expect_on_time(begin, secs(30));
            settle().await;
            assert_eq!(calls.list(), ["broken off"]);
        }
        assert_eq!(site.server.stats().open_connections, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_or_is_left_or_takes_too_long_is_as_without_an_upgrade() {
    let calls = Calls::default();
    let noted = calls.clone();
    let service = handler(move |request: Request<Body>| {
        let calls = noted.clone();
        async move {
            assert_ne!(request.uri().path(), "/panics");
            let _dropped = calls.note_drop("dropped");
            sleep(secs(100)).await;
            text("late")
        }
    });
    let site = Site::configured(service, |config| config.request_timeout = Some(secs(20)));
    let mut peer = site.connect().await;
    let answer = peer.ask(UPGRADE.replace("GET /", "GET /panics")).await;
    assert_eq!((answer.status, site.server.stats().panics), (500, 1));
    peer.expect_end().await;

    let (mut peer, begin) = (site.connect().await, Instant::now());
    assert_eq!(peer.ask(UPGRADE).await.status, 503);
    expect_on_time(begin, secs(20));
    assert_eq!((calls.count(), site.server.stats().timed_out), (1, 1));

    let mut peer = site.connect().await;
    peer.send(UPGRADE).await;
    settle().await;
    peer.conn.close();
    settle().await;
    assert_eq!((calls.count(), site.server.stats().cancelled), (2, 1));
    assert_eq!(site.server.stats().open_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_an_upgraded_connection_is_broken_off() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::new(handler(move |mut request: Request<Body>| {
        let calls = noted.clone();
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut io = upgrade.await.expect("an upgrade");
                while write(&mut io, &[b'x'; 100_000]).await.is_ok() {}
                calls.note("failed");
            });
            Response::builder().status(101).body(Body::empty()).expect("a response")
        }
    }));
    let mut peer = site.connect().await;
    assert_eq!(peer.ask(UPGRADE).await.status, 101);
    let begin = Instant::now();
    while calls.count() == 0 {
        sleep(secs(1)).await;
    }
    assert!((secs(29)..secs(33)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert_eq!(site.server.stats().open_connections, 0);
    assert!(matches!(peer.rest_bytes().await.1, End::Eof | End::Reset));
}

#[tokio::test(start_paused = true)]
async fn axums_web_sockets_work_unchanged() {
    use tokio_tungstenite::tungstenite::Message;
    let site = Site::new(Router::new().route("/socket", any(shouting_socket)));
    let conn = AsyncConn::new(site.connect().await.conn);
    let connected = tokio_tungstenite::client_async("ws://alpha/socket", conn).await;
    let (mut client, response) = connected.expect("a web socket");
    assert_eq!(response.status(), 101);
    let long = "long ".repeat(100_000);
    for text in ["hello", &long, "bye"] {
        client.send(Message::text(text)).await.expect("sent");
        let answer = client.next().await.expect("an answer").expect("a good one");
        assert!(answer == Message::text(text.to_uppercase()));
    }
    client.close(None).await.expect("sent");
    let last = client.next().await.expect("an answer").expect("a good one");
    assert!(matches!(last, Message::Close(_)));
}
