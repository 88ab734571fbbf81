//! Clients that leave while their requests are handled.

use dipole_http::{Body, HttpService, WhenClientLeaves};
use dipole_net::Conn;
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use crate::support::{Calls, Peer, Site, by_hand, handler, ms, read_all, secs, settle, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Takes ten seconds, and notes whether it was let do so.
fn slow(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |_: Request<Body>| {
        let calls = calls.clone();
        async move {
            let noted = calls.note_drop("dropped");
            calls.note("begun");
            sleep(secs(10)).await;
            std::mem::forget(noted);
            calls.note("finished");
            text("done")
        }
    })
}

/// How a client leaves.
#[derive(Debug, Clone, Copy)]
enum Leaves {
    Closes,
    Resets,
    HalfCloses,
}

const WAYS: [Leaves; 3] = [Leaves::Closes, Leaves::Resets, Leaves::HalfCloses];

impl Leaves {
    async fn leave(self, peer: &mut Peer) {
        match self {
            Self::Closes => peer.conn.close(),
            Self::Resets => peer.conn.reset(),
            Self::HalfCloses => peer.half_close().await,
        }
    }
}

/// After the client has gone, the handler is dropped at once.
async fn expect_cancelled(site: &Site, calls: &Calls, before: &[&str]) {
    let begin = Instant::now();
    settle().await;
    let expected: Vec<_> = before.iter().copied().chain(["dropped"]).collect();
    assert_eq!(calls.list(), expected);
    assert!(begin.elapsed() <= ms(100));
    let stats = site.server.stats();
    assert_eq!((stats.cancelled, stats.open_connections), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_dropped_when_its_client_has_gone() {
    for way in WAYS {
        let calls = Calls::default();
        let site = Site::new(slow(&calls));
        let mut peer = site.connect().await;
        peer.send(GET).await;
        sleep(secs(3)).await;
        way.leave(&mut peer).await;
        expect_cancelled(&site, &calls, &["begun"]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_the_client_has_sent_ahead_do_not_hide_its_going() {
    let calls = Calls::default();
    let site = Site::new(slow(&calls));
    let mut peer = site.connect().await;
    peer.send(GET.repeat(5)).await;
    sleep(secs(3)).await;
    peer.conn.close();
    expect_cancelled(&site, &calls, &["begun"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_in_the_middle_of_its_body_is_noticed() {
    for read in [true, false] {
        for way in WAYS {
            let calls = Calls::default();
            let noted = calls.clone();
            let site = Site::new(handler(move |request: Request<Body>| {
                let calls = noted.clone();
                async move {
                    let _noted = calls.note_drop("dropped");
                    calls.note("begun");
                    if read {
                        let error = read_all(request.into_body()).await.expect_err("half a body");
                        panic!("it was to be dropped first: {error}");
                    }
                    sleep(secs(3600)).await;
                    drop(request);
                    text("never")
                }
            }));
            let mut peer = site.connect().await;
            peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nhalf").await;
            sleep(secs(3)).await;
            way.leave(&mut peer).await;
            println!("reads: {read}, {way:?}");
            expect_cancelled(&site, &calls, &["begun"]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_is_dropped_when_its_client_has_gone() {
    for way in WAYS {
        let (feed, body) = by_hand();
        let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
        let site = Site::new(handler(move |_| {
            let body = body.lock().expect("nobody panics here").take();
            async { Response::new(body.expect("one request")) }
        }));
        let mut peer = site.connect().await;
        peer.send(GET).await;
        feed.data("a beginning");
        sleep(secs(3)).await;
        way.leave(&mut peer).await;
        let begin = Instant::now();
        feed.dropped().await;
        assert!(begin.elapsed() <= ms(100), "{way:?}");
        settle().await;
        assert_eq!(site.server.stats().open_connections, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quick_answer_reaches_a_client_that_has_ended_its_side() {
    let site = Site::new(handler(async |_| text("done")));
    let mut peer = site.connect().await;
    dipole_net::ConnExt::put(&mut *peer.conn, GET.as_bytes());
    peer.half_close().await;
    peer.answer().await.expect(200, &[("content-length", "4")], "done");
    peer.expect_end().await;
}

fn patient(service: impl HttpService) -> Site {
    Site::configured(service, |config| {
        config.when_client_leaves = WhenClientLeaves::FinishHandler;
    })
}

#[tokio::test(start_paused = true)]
async fn a_patient_server_serves_clients_that_end_their_side() {
    let calls = Calls::default();
    let site = patient(slow(&calls));
    let mut peer = site.connect().await;
    peer.send(GET.repeat(2)).await;
    sleep(secs(3)).await;
    peer.half_close().await;
    for _ in 0..2 {
        peer.answer().await.expect(200, &[("content-length", "4")], "done");
    }
    peer.expect_end().await;
    assert_eq!(calls.list(), ["begun", "finished", "begun", "finished"]);
    let stats = site.server.stats();
    assert_eq!((stats.cancelled, stats.open_connections), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_patient_server_runs_handlers_to_their_end_without_their_clients() {
    for way in [Leaves::Closes, Leaves::Resets] {
        let calls = Calls::default();
        let site = patient(slow(&calls));
        let mut peer = site.connect().await;
        peer.send(GET).await;
        sleep(secs(3)).await;
        way.leave(&mut peer).await;
        sleep(secs(8)).await;
        assert_eq!(calls.list(), ["begun", "finished"], "{way:?}");
        let stats = site.server.stats();
        assert_eq!((stats.cancelled, stats.open_connections), (0, 0), "{way:?}");
    }
}

/// The handler runs on and learns that no more of the body will come.
#[tokio::test(start_paused = true)]
async fn a_patient_server_tells_the_handler_that_the_body_was_cut_short() {
    for way in WAYS {
        let calls = Calls::default();
        let noted = calls.clone();
        let site = patient(handler(move |request: Request<Body>| {
            let calls = noted.clone();
            async move {
                let read = read_all(request.into_body()).await;
                calls.note(if read.is_err() { "cut short" } else { "whole" });
                sleep(secs(1)).await;
                calls.note("finished");
                text("done")
            }
        }));
        let mut peer = site.connect().await;
        peer.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nhalf").await;
        sleep(secs(3)).await;
        way.leave(&mut peer).await;
        sleep(secs(2)).await;
        assert_eq!(calls.list(), ["cut short", "finished"], "{way:?}");
        assert_eq!(site.server.stats().cancelled, 0, "{way:?}");
    }
}
