//! Requests that come together (RFC 9112 section 9.3.2).

use dipole_http::{Body, HttpService};
use dipole_net::ConnExt;
use http::{Request, Response};
use tokio::time::Instant;

use crate::support::{Calls, Site, by_hand, handler, ms, secs, settle, text, watched};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

/// Answers with the path, after a second where that begins with `/slow`.
fn paths(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |request: Request<Body>| {
        let calls = calls.clone();
        async move {
            let path = request.uri().path().to_owned();
            calls.note(&path);
            if path.starts_with("/slow") {
                tokio::time::sleep(secs(1)).await;
            }
            text(path)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_are_answered_in_order() {
    let calls = Calls::default();
    let site = Site::new(paths(&calls));
    let mut peer = site.connect().await;
    let paths: Vec<_> = (0..100).map(|number| format!("/{number}")).collect();
    peer.send(paths.iter().map(|path| get(path)).collect::<String>()).await;
    for path in &paths {
        let length = path.len().to_string();
        peer.answer().await.expect(200, &[("content-length", &length)], path);
    }
    assert_eq!(calls.list(), paths);
    peer.expect_silence(secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_answered_by_one_flush() {
    let (seen, mut peer) = watched(paths(&Calls::default())).await;
    for batch in 1..=3 {
        peer.send(get("/x").repeat(16)).await;
        for _ in 0..16 {
            peer.answer().await.expect(200, &[("content-length", "2")], "/x");
        }
        assert_eq!(seen.flushes(), batch);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_posts_is_answered_by_one_flush() {
    let (seen, mut peer) = watched(paths(&Calls::default())).await;
    let post = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    peer.send(post.repeat(16)).await;
    for _ in 0..16 {
        peer.answer().await.expect(200, &[("content-length", "2")], "/x");
    }
    assert_eq!(seen.flushes(), 1);
}

#[tokio::test(start_paused = true)]
async fn answers_before_a_slow_one_do_not_wait_for_it() {
    let calls = Calls::default();
    let (seen, mut peer) = watched(paths(&calls)).await;
    let begin = Instant::now();
    peer.send(get("/a") + &get("/b") + &get("/slow") + &get("/c") + &get("/d")).await;
    peer.answer().await.expect(200, &[("content-length", "2")], "/a");
    peer.answer().await.expect(200, &[("content-length", "2")], "/b");
    assert!(begin.elapsed() < ms(5));
    assert_eq!(calls.list(), ["/a", "/b", "/slow"], "handlers run one after the other");
    peer.answer().await.expect(200, &[("content-length", "5")], "/slow");
    assert!(begin.elapsed() >= secs(1));
    peer.answer().await.expect(200, &[("content-length", "2")], "/c");
    peer.answer().await.expect(200, &[("content-length", "2")], "/d");
    assert_eq!(calls.list(), ["/a", "/b", "/slow", "/c", "/d"]);
    assert_eq!(seen.flushes(), 2, "one for those before it, one for it and those after it");
}

#[tokio::test(start_paused = true)]
async fn answers_before_half_a_request_do_not_wait_for_its_other_half() {
    let (seen, mut peer) = watched(paths(&Calls::default())).await;
    let last = get("/last");
    let (head, tail) = last.split_at(9);
    peer.send(get("/a") + &get("/b") + head).await;
    peer.answer().await.expect(200, &[("content-length", "2")], "/a");
    peer.answer().await.expect(200, &[("content-length", "2")], "/b");
    assert_eq!(seen.flushes(), 1);
    peer.expect_silence(secs(1)).await;
    peer.send(tail).await;
    peer.answer().await.expect(200, &[("content-length", "5")], "/last");
}

#[tokio::test(start_paused = true)]
async fn half_a_request_and_the_end_do_not_cost_the_answers_before_it() {
    let site = Site::new(paths(&Calls::default()));
    let mut peer = site.connect().await;
    peer.conn.put((get("/a") + &get("/b") + "GET /c HT").as_bytes());
    peer.half_close().await;
    peer.answer().await.expect(200, &[("content-length", "2")], "/a");
    peer.answer().await.expect(200, &[("content-length", "2")], "/b");
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_request_does_not_cost_the_answers_before_it() {
    let site = Site::new(paths(&Calls::default()));
    let mut peer = site.connect().await;
    peer.send(get("/a") + "BAD\r\n\r\n" + &get("/b")).await;
    peer.answer().await.expect(200, &[("content-length", "2")], "/a");
    peer.answer().await.expect_refusal(400);
    peer.expect_end().await;
    assert_eq!(site.server.stats().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn bodies_keep_requests_that_come_together_apart() {
    let calls = Calls::default();
    let service = {
        let calls = calls.clone();
        handler(move |request| {
            let calls = calls.clone();
            async move {
                calls.note(crate::support::describe(request).await);
                text("ok")
            }
        })
    };
    let site = Site::new(service);
    let mut peer = site.connect().await;
    peer.send(
        "POST /1 HTTP/1.1\r\nhost: a\r\ncontent-length: 18\r\n\r\nGET /no HTTP/1.1\r\n\
         POST /2 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
         GET /3 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n\
         GET /4 HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    .await;
    for _ in 0..4 {
        peer.answer().await.expect(200, &[("content-length", "2")], "ok");
    }
    assert_eq!(
        calls.list(),
        [
            "POST /1 HTTP/1.1 | host: a | content-length: 18 | GET /no HTTP/1.1\\r\\n",
            "POST /2 HTTP/1.1 | host: a | transfer-encoding: chunked | abc",
            "GET /3 HTTP/1.1 | host: a | content-length: 0 | ",
            "GET /4 HTTP/1.1 | host: a | ",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_in_the_middle_of_a_batch_keeps_the_order() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let (feed, body) = by_hand();
        let path = request.uri().path().to_owned();
        tokio::spawn(async move {
            for piece in ["first", "second"] {
                settle().await;
                feed.data(format!("{path} {piece}\n"));
            }
        });
        Response::new(body)
    }));
    let mut peer = site.connect().await;
    peer.send(get("/1") + &get("/2") + &get("/3")).await;
    for path in ["/1", "/2", "/3"] {
        let answer = peer.answer().await;
        assert_eq!(answer.text(), format!("{path} first\n{path} second\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_requests_and_reads_no_answer_is_not_read_without_end() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::new(handler(move |_| {
        noted.note("call");
        async { text("x".repeat(10_000)) }
    }));
    let mut peer = site.connect().await;
    // 200 MB of answers, were they all made.
    let requests = get("/").repeat(1000);
    let flood = async {
        for _ in 0..20 {
            peer.send(&requests).await;
        }
    };
    let begun = tokio::time::timeout(secs(5), flood).await;
    assert!(begun.is_err() || calls.count() < 1000);
    // 256 KiB are under way, 256 KiB queued, each with one answer more.
    assert!(calls.count() < 60, "{} answers were made", calls.count());
}
