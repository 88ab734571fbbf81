//! Tunnels: WebSocket over HTTP/3 by extended CONNECT (RFC 9220), and what else asks hyper for the
//! connection.

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use dipole_http::{Body, Drained};
use dipole_net::{ReceiveStreamExt, SendStreamExt, Stream};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::client::*;
use crate::codec::code;
use crate::codec::frames::{Frame, FrameReader};
use crate::support::{Calls, expect_on_time, handler, ms, secs, shouting_socket, text_frame};

const FIELDS: [(&str, &str); 6] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":authority", "a"),
    (":path", "/socket"),
    ("sec-websocket-version", "13"),
];

/// A stream whose frames are read one by one.
struct Tunnel {
    stream: Stream,
    reader: FrameReader,
    held: Bytes,
}

impl Tunnel {
    /// Asks for it, and checks the answer's status.
    async fn open(client: &Client) -> Self {
        let stream = client.begin_with(&FIELDS).await;
        let mut tunnel = Self { stream, reader: FrameReader::new(1 << 16), held: Bytes::new() };
        let Some(Frame::Other { payload, .. }) = tunnel.frame().await else { panic!("no head") };
        let head = crate::codec::fields::decode(&payload, 1 << 16).expect("fields");
        assert_eq!(head.pseudo.status.as_deref(), Some(&b"200"[..]));
        assert!(!head.fields.contains_key("content-length"));
        tunnel
    }

    async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.reader.next(&mut self.held).expect("frames") {
                return Some(frame);
            }
            let read = timeout(secs(10), self.stream.receive.read()).await.expect("something");
            match read.expect("no fault") {
                Some(bytes) => self.held = bytes,
                None => return None,
            }
        }
    }

    /// The next data.
    async fn data(&mut self) -> Bytes {
        match self.frame().await {
            Some(Frame::Data(data)) => data,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.send.write_all(&data(bytes)).await.expect("the server is there");
    }
}

#[tokio::test(start_paused = true)]
async fn axums_web_sockets_work_unchanged_and_the_drain_counts_them() {
    let site = Site::new(Router::new().route("/socket", any(shouting_socket)));
    let client = site.connect().await;
    let mut tunnel = Tunnel::open(&client).await;
    for word in ["hello", "there"] {
        tunnel.send(&text_frame(word)).await;
        assert_eq!(&tunnel.data().await[2..], word.to_uppercase().as_bytes());
        sleep(secs(20)).await;
    }
    let (server, begin) = (site.server.clone(), Instant::now());
    let shutdown = tokio::spawn(async move { server.shutdown(secs(30)).await });
    sleep(secs(10)).await;
    tunnel.send(&text_frame("still")).await;
    assert_eq!(&tunnel.data().await[2..], b"STILL");
    assert_eq!(shutdown.await.expect("no panic"), Drained::CutShort);
    expect_on_time(begin, secs(30));
    assert_eq!(site.server.stats().open_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_web_socket_that_is_closed_ends_its_stream_in_order() {
    let site = Site::new(Router::new().route("/socket", any(shouting_socket)));
    let client = site.connect().await;
    let mut tunnel = Tunnel::open(&client).await;
    // A close frame of the client, with 1000; the server says the same and ends.
    tunnel.send(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await;
    assert_eq!(&tunnel.data().await[..], [0x88, 0x02, 0x03, 0xe8]);
    assert_eq!(tunnel.frame().await, None);
    assert_eq!(tunnel.stream.send.stopped().await.expect("no fault"), Some(code::NO_ERROR));
    // Nothing of it is under way any more.
    assert_eq!(site.server.shutdown(secs(10)).await, Drained::Whole);
}

/// Gives back what comes, over what hyper gives.
async fn echo(request: http::Request<Body>) -> http::Response<Body> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.expect("an upgrade"));
        let mut whole = Vec::new();
        while let Ok(count @ 1..) = io.read_buf(&mut whole).await {
            let from = whole.len() - count;
            io.write_all(&whole[from..]).await.expect("the client is there");
        }
        io.shutdown().await.expect("the client is there");
    });
    http::Response::new(Body::empty())
}

#[tokio::test(start_paused = true)]
async fn what_hyper_gives_carries_a_mebibyte_both_ways_and_ends_as_a_stream_does() {
    let site = Site::new(handler(echo));
    let client = site.connect().await;
    let Tunnel { mut stream, mut reader, mut held } = Tunnel::open(&client).await;
    let sent: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let copy = sent.clone();
    let sending = tokio::spawn(async move {
        for piece in copy.chunks(10_000) {
            stream.send.write_all(&data(piece)).await.expect("the server is there");
        }
        stream.send.close().await.expect("the server is there");
    });
    let mut got = Vec::new();
    loop {
        while let Some(frame) = reader.next(&mut held).expect("frames") {
            let Frame::Data(data) = frame else { panic!("{frame:?}") };
            got.extend_from_slice(&data);
        }
        match stream.receive.read().await.expect("no fault") {
            Some(bytes) => held = bytes,
            None => break,
        }
    }
    assert!(got == sent, "{} bytes of {}", got.len(), sent.len());
    sending.await.expect("no panic");
    assert_eq!(site.server.shutdown(secs(10)).await, Drained::Whole);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_slows_the_tunnel_down() {
    let calls = Calls::default();
    let noting = calls.clone();
    let site = Site::configured(
        handler(move |request| {
            let noting = noting.clone();
            async move {
                let upgrade = hyper::upgrade::on(request);
                tokio::spawn(async move {
                    let mut io = TokioIo::new(upgrade.await.expect("an upgrade"));
                    while io.write_all(&[7; 64 * 1024]).await.is_ok() {
                        noting.note("written");
                    }
                    noting.note("late");
                });
                http::Response::new(Body::empty())
            }
        }),
        |config| config.write_timeout = Some(secs(5)),
    );
    let client = site.connect().await;
    let _tunnel = Tunnel::open(&client).await;
    sleep(secs(20)).await;
    let calls = calls.list();
    // Its own window, and what is under way; then the write deadline passes.
    assert!(calls.len() < 64, "{}", calls.len());
    assert_eq!(calls.last().map(ToString::to_string).as_deref(), Some("late"));
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_nobody_takes_ends_at_once() {
    let site = Site::new(handler(async |_| http::Response::new(Body::empty())));
    let client = site.connect().await;
    let mut tunnel = Tunnel::open(&client).await;
    assert_eq!(tunnel.frame().await, None);
    assert_eq!(site.server.shutdown(secs(10)).await, Drained::Whole);
}

#[tokio::test(start_paused = true)]
async fn a_refused_tunnel_is_an_answer_like_any_other_and_no_upgrade() {
    let calls = Calls::default();
    let noting = calls.clone();
    let site = Site::new(handler(move |request| {
        let noting = noting.clone();
        async move {
            let upgrade = hyper::upgrade::on(request);
            tokio::spawn(async move {
                noting.note(if upgrade.await.is_err() { "none" } else { "given" });
            });
            let mut response = http::Response::new(Body::from("no"));
            *response.status_mut() = http::StatusCode::FORBIDDEN;
            response
        }
    }));
    let client = site.connect().await;
    let mut stream = client.begin_with(&FIELDS).await;
    let answer = answer(&mut stream.receive).await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.text()), (403, "no"));
    sleep(ms(50)).await;
    assert_eq!(calls.list().len(), 1);
    assert_eq!(calls.list()[0].to_string(), "none");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_fails_the_tunnel() {
    let calls = Calls::default();
    let noting = calls.clone();
    let site = Site::new(handler(move |request| {
        let noting = noting.clone();
        async move {
            let upgrade = hyper::upgrade::on(request);
            tokio::spawn(async move {
                let mut io = TokioIo::new(upgrade.await.expect("an upgrade"));
                let read = io.read(&mut [0; 10]).await;
                noting.note(if read.is_err() { "failed" } else { "ended" });
            });
            http::Response::new(Body::empty())
        }
    }));
    for ends_connection in [false, true] {
        let client = site.connect().await;
        let mut tunnel = Tunnel::open(&client).await;
        if ends_connection {
            client.conn.close_with_error(code::NO_ERROR, b"");
        } else {
            tunnel.stream.send.cancel_write(code::REQUEST_CANCELLED);
        }
        sleep(ms(100)).await;
    }
    let seen: Vec<_> = calls.list().iter().map(ToString::to_string).collect();
    assert_eq!(seen, ["failed", "failed"]);
}

#[tokio::test(start_paused = true)]
async fn the_bodies_are_the_tunnel_where_the_answer_has_one() {
    let site = Site::new(handler(async |request: http::Request<Body>| {
        let whole = request.into_body().collect().await.expect("a body").to_bytes();
        http::Response::new(Body::full(whole))
    }));
    let client = site.connect().await;
    let mut stream = client.begin_with(&FIELDS).await;
    stream.send.write_all(&data(b"by bodies")).await.expect("the server is there");
    stream.send.close().await.expect("the server is there");
    assert_eq!(answer(&mut stream.receive).await.expect("an answer").text(), "by bodies");
}
