//! Deadlines: the same as on HTTP/1.1, in the form that HTTP/2 gives them.

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, HttpService};
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use super::client::*;
use crate::support::{Calls, Site, expect_on_time, handler, read_all, secs, settle, text};

fn hello() -> impl HttpService {
    handler(async |_| text("hello"))
}

#[track_caller]
fn expect_between(begin: Instant, least: u64, most: u64) {
    let took = begin.elapsed();
    assert!((secs(least)..secs(most)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_request_ends_after_the_time_of_a_head() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    let begin = Instant::now();
    greet(&mut peer, &[]).await;
    assert_eq!(farewell(&mut peer).await.goaways.first(), Some(&NO_ERROR));
    expect_between(begin, 15, 18);
    assert_eq!(site.server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_not_waited_for() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    let begin = Instant::now();
    greet(&mut peer, &[]).await;
    peer.send(frame(HEADERS, END_STREAM, 1, &GET[..3])).await;
    farewell(&mut peer).await;
    expect_between(begin, 15, 18);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_whatever_pings_it_sends() {
    for pings in [false, true] {
        let site = Site::new(hello());
        let mut peer = site.connect().await;
        greet(&mut peer, &[]).await;
        peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)).await;
        let begin = Instant::now();
        while pings && begin.elapsed() < secs(70) {
            sleep(secs(1)).await;
            peer.send(frame(PING, 0, 0, &[0; 8])).await;
        }
        let farewell = farewell(&mut peer).await;
        assert_eq!((farewell.goaways.first(), &*farewell.answered), (Some(&NO_ERROR), &[1][..]));
        expect_between(begin, 75, 78);
    }
}

#[tokio::test(start_paused = true)]
async fn a_running_request_keeps_its_connection() {
    let site = Site::new(handler(async |_| {
        sleep(secs(1000)).await;
        text("at last")
    }));
    let (client, _) = connect(&site).await;
    assert_eq!(ask(&client, get("/"), "").await.expect("an answer").0.body(), "at last");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_answered_408() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let _ = read_all(request.into_body()).await;
        text("read")
    }));
    let (mut client, _) = connect(&site).await;
    let request = post("/").body(()).expect("a request");
    let begin = Instant::now();
    let (response, mut stream) = client.send_request(request, false).expect("a stream");
    for _ in 0..3 {
        stream.send_data("some".into(), false).expect("sent");
        sleep(secs(20)).await;
    }
    let answer = response.await.expect("an answer");
    expect_on_time(begin, secs(70));
    assert_eq!((answer.status().as_u16(), site.server.stats().timed_out), (408, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_answered_503() {
    let service = handler(async |_| {
        sleep(secs(100)).await;
        text("late")
    });
    let site = Site::configured(service, |config| config.request_timeout = Some(secs(10)));
    let (client, _) = connect(&site).await;
    let begin = Instant::now();
    let (answer, _) = ask(&client, get("/"), "").await.expect("an answer");
    expect_on_time(begin, secs(10));
    assert_eq!(answer.status(), 503);
}

/// Answers without an end.
fn endless(calls: &Calls) -> impl HttpService {
    let calls = calls.clone();
    handler(move |_| {
        let dropped = calls.note_drop("dropped");
        async move { Response::new(Endless { _dropped: dropped }) }
    })
}

struct Endless<D> {
    _dropped: D,
}

impl<D> http_body::Body for Endless<D> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let data = Bytes::from_static(&[b'x'; 100_000]);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(data))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_client_takes_nothing_is_reset_and_the_others_go_on() {
    let calls = Calls::default();
    let site = Site::new(endless(&calls));
    let (client, _) = connect(&site).await;
    let begin_time = Instant::now();
    let mut stuck = begin(&client, get("/"), "").await.expect("an answer");
    let mut read_on = begin(&client, get("/"), "").await.expect("an answer");
    while calls.count() == 0 {
        sleep(secs(1)).await;
        let data = read_on.body_mut().data().await.expect("more").expect("good");
        read_on.body_mut().flow_control().release_capacity(data.len()).expect("released");
    }
    expect_between(begin_time, 30, 33);
    let ended = loop {
        match stuck.body_mut().data().await.expect("no good end") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(ended.is_reset(), "{ended}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_at_all_is_broken_off() {
    let calls = Calls::default();
    let site = Site::new(endless(&calls));
    let mut peer = site.connect().await;
    // An initial window of 2^31 - 1, for the stream and the connection.
    greet(&mut peer, &[0, 4, 0x7f, 0xff, 0xff, 0xff]).await;
    peer.send(frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000u32.to_be_bytes())).await;
    peer.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, GET)).await;
    let begin = Instant::now();
    settle().await;
    while site.server.stats().open_connections > 0 {
        sleep(Duration::from_millis(100)).await;
    }
    expect_between(begin, 29, 33);
    settle().await;
    assert_eq!(calls.count(), 1);
}
