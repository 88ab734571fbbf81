//! Answers while the request's body still comes, and what becomes of bodies that nobody reads.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use dipole_http::{Body, BodyError, HttpService};
use dipole_net::{Conn, ConnExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::support::{Calls, End, Site, by_hand, handler, ms, read_all, secs, settle, text};

const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";

/// Answers with the path at once, and reads nothing.
fn reads_nothing(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |request: Request<Body>| {
        calls.note(request.uri().path());
        async move { text(request.uri().path()) }
    })
}

fn post(length: usize) -> String {
    format!("POST /post HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n")
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_before_the_body_has() {
    let site = Site::new(reads_nothing(&Calls::default()));
    let mut peer = site.connect().await;
    let answer = peer.ask(post(100_000) + "just the beginning").await;
    answer.expect(200, &[("content-length", "5")], "/post");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_thrown_away_and_the_connection_goes_on() {
    let calls = Calls::default();
    let site = Site::new(reads_nothing(&calls));
    let mut peer = site.connect().await;
    let begun = post(100_000) + &"x".repeat(1000);
    peer.ask(begun).await.expect(200, &[("content-length", "5")], "/post");
    // The rest looks like requests, and is none.
    let mut rest = NEXT.repeat(99_000 / NEXT.len() + 1);
    rest.truncate(99_000);
    peer.send(rest).await;
    peer.ask(NEXT).await.expect(200, &[("content-length", "5")], "/next");
    assert_eq!(calls.list(), ["/post", "/next"]);
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_is_thrown_away_the_same_way() {
    let calls = Calls::default();
    let site = Site::new(reads_nothing(&calls));
    let mut peer = site.connect().await;
    peer.send("POST /post HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    peer.answer().await.expect(200, &[("content-length", "5")], "/post");
    peer.send(format!("1f\r\n{NEXT}\r\n0\r\nt: u\r\n\r\n{NEXT}")).await;
    peer.answer().await.expect(200, &[("content-length", "5")], "/next");
    assert_eq!(calls.list(), ["/post", "/next"]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_chunk_in_what_is_thrown_away_ends_the_connection() {
    let calls = Calls::default();
    let site = Site::new(reads_nothing(&calls));
    let mut peer = site.connect().await;
    peer.send("POST /post HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    peer.answer().await.expect(200, &[("content-length", "5")], "/post");
    peer.send(format!("x\r\n\r\n{NEXT}")).await;
    assert_eq!(peer.rest().await, (String::new(), End::Eof));
    assert_eq!(calls.count(), 1);
}

/// 256 KiB are thrown away by default.
#[tokio::test(start_paused = true)]
async fn a_body_at_the_limit_is_thrown_away_and_one_beyond_it_ends_the_connection() {
    const LIMIT: usize = 5000;
    for (length, goes_on) in [(LIMIT, true), (LIMIT + 1, false), (usize::MAX >> 1, false)] {
        let calls = Calls::default();
        let site = Site::configured(reads_nothing(&calls), |config| {
            config.max_drain_bytes = LIMIT as u64;
        });
        let mut peer = site.connect().await;
        let answer = peer.ask(post(length)).await;
        assert_eq!((answer.status, answer.text()), (200, "/post"));
        peer.try_send("x".repeat(length.min(LIMIT + 1))).await;
        peer.try_send(NEXT).await;
        let (rest, end) = if goes_on {
            peer.answer().await.expect(200, &[("content-length", "5")], "/next");
            peer.half_close().await;
            peer.rest().await
        } else {
            peer.rest().await
        };
        assert_eq!((&*rest, end), ("", End::Eof), "{length}");
        assert_eq!(calls.count(), 1 + usize::from(goes_on), "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_beyond_the_limit_ends_the_connection() {
    const LIMIT: usize = 5000;
    for (length, goes_on) in [(LIMIT, true), (LIMIT + 1, false)] {
        let calls = Calls::default();
        let site = Site::configured(reads_nothing(&calls), |config| {
            config.max_drain_bytes = LIMIT as u64;
        });
        let mut peer = site.connect().await;
        peer.send("POST /post HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
        assert_eq!(peer.answer().await.text(), "/post");
        let data = "x".repeat(length);
        peer.send(format!("{length:x}\r\n{data}\r\n0\r\n\r\n{NEXT}")).await;
        if goes_on {
            assert_eq!(peer.answer().await.text(), "/next");
        } else {
            peer.expect_end().await;
        }
        assert_eq!(calls.count(), 1 + usize::from(goes_on), "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_that_drips_past_the_limit_ends_the_connection() {
    let calls = Calls::default();
    let site = Site::configured(reads_nothing(&calls), |config| config.max_drain_bytes = 100);
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.send("POST /post HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    assert_eq!(peer.answer().await.text(), "/post");
    for _ in 0..11 {
        peer.expect_silence(secs(1)).await;
        peer.send(format!("a\r\n{}\r\n", "x".repeat(10))).await;
    }
    peer.expect_end().await;
    assert!(begin.elapsed() < secs(12), "{:?}", begin.elapsed());
    assert_eq!(calls.count(), 1);
}

/// The client is in the middle of a large body, and reads the answer after it has sent all of it,
/// as simple clients do.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_late_still_finds_the_whole_answer() {
    let calls = Calls::default();
    let site = Site::new(reads_nothing(&calls));
    let mut peer = site.connect().await;
    peer.send(post(100_000_000)).await;
    // Some time is given to it; then it is broken off.
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    for _ in 0..100 {
        peer.conn.write_binary(piece.clone());
        peer.conn.flush().await.expect("the server takes it");
        tokio::time::sleep(ms(10)).await;
    }
    let answer = peer.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "/post"));
    peer.expect_end().await;
    assert_eq!(calls.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_is_let_go_after_the_linger_time() {
    let calls = Calls::default();
    let site = Site::configured(reads_nothing(&calls), |config| {
        config.linger_timeout = secs(3);
    });
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.ask(post(usize::MAX >> 1)).await;
    peer.expect_end().await;
    tokio::time::sleep(ms(2990)).await;
    assert_eq!(site.server.stats().open_connections, 1);
    tokio::time::sleep(ms(15)).await;
    assert_eq!(site.server.stats().open_connections, 0, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_read_a_part_and_leave_the_rest() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let mut body = request.into_body();
        let frame = body.frame().await.expect("a first piece").expect("a good body");
        text(String::from_utf8_lossy(frame.data_ref().expect("data")))
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(post(100_000)).await;
        peer.ask("part").await.expect(200, &[("content-length", "4")], "part");
        peer.send("x".repeat(99_996)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_streams_while_the_body_comes_uses_each_piece_at_once() {
    let site =
        Site::new(handler(async |request: Request<Body>| Response::new(request.into_body())));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
        settle().await;
        let head = peer.so_far().await;
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        for piece in ["hello", "x", "a longer one"] {
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            peer.send(&chunk).await;
            settle().await;
            assert_eq!(peer.so_far().await, chunk);
        }
        peer.send("0\r\nsum: 1\r\n\r\n").await;
        settle().await;
        assert_eq!(peer.so_far().await, "0\r\nsum: 1\r\n\r\n");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_begin_before_and_end_after_the_body() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let (feed, body) = by_hand();
        tokio::spawn(async move {
            feed.data("reading ");
            let (data, _) = read_all(request.into_body()).await.expect("a good body");
            tokio::time::sleep(secs(1)).await;
            feed.data(format!("{} bytes", data.len()));
        });
        Response::new(body)
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(post(200_000)).await;
        settle().await;
        assert!(peer.so_far().await.ends_with("\r\n\r\n8\r\nreading \r\n"));
        peer.send("x".repeat(200_000)).await;
        tokio::time::sleep(ms(1010)).await;
        assert_eq!(peer.so_far().await, "c\r\n200000 bytes\r\n0\r\n\r\n");
    }
}

/// Answers at once, and has a task of its own read the body and note what it was.
fn reads_later(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |request: Request<Body>| {
        let calls = calls.clone();
        async move {
            tokio::spawn(async move {
                calls.note(match read_all(request.into_body()).await {
                    Ok((data, _)) => format!("{} bytes", data.len()),
                    Err(error) => error.to_string(),
                });
            });
            text("later")
        }
    })
}

/// The body has a reader, though its request was answered.
#[tokio::test(start_paused = true)]
async fn a_task_reads_the_whole_body_of_a_request_that_was_answered() {
    for (option, closes) in [("x", false), ("close", true)] {
        let calls = Calls::default();
        let site = Site::new(reads_later(&calls));
        let mut peer = site.connect().await;
        let request = format!(
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: {option}\r\ncontent-length: 600000\r\n\r\n"
        );
        assert_eq!(peer.ask(request).await.text(), "later");
        // More than would be thrown away.
        for _ in 0..60 {
            peer.send("x".repeat(10_000)).await;
            settle().await;
        }
        assert_eq!(calls.list(), ["600000 bytes"], "{option}");
        if closes {
            peer.expect_end().await;
        } else {
            peer.ask(post(0)).await.expect(200, &[("content-length", "5")], "later");
        }
    }
}

/// Its reader learns it; the client has had its answer and gets no other.
#[tokio::test(start_paused = true)]
async fn what_goes_wrong_with_a_body_after_the_answer_is_not_answered() {
    let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for (rest, what) in [
        ("3\r\nabc\r\nx\r\n", "the body is malformed: a chunk is malformed"),
        ("b\r\nabcdefghijk\r\n", "the body is larger than 10 bytes"),
        ("3\r\nabc\r\n", "the next piece of the body did not come in time"),
    ] {
        let calls = Calls::default();
        let site = Site::configured(reads_later(&calls), |config| {
            config.max_body_bytes = Some(10);
        });
        let mut peer = site.connect().await;
        assert_eq!(peer.ask(chunked).await.text(), "later");
        peer.send(rest).await;
        assert_eq!(peer.rest().await, (String::new(), End::Eof));
        assert_eq!(calls.list(), [what]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_drops_the_body_of_an_answered_request_lets_the_connection_go_on() {
    let site = Site::new(handler(async |request: Request<Body>| {
        tokio::spawn(async move {
            tokio::time::sleep(secs(1)).await;
            drop(request);
        });
        text("later")
    }));
    let mut peer = site.connect().await;
    peer.ask(post(100_000)).await.expect(200, &[("content-length", "5")], "later");
    peer.send("x".repeat(100_000)).await;
    peer.ask(post(0)).await.expect(200, &[("content-length", "5")], "later");
}

#[tokio::test(start_paused = true)]
async fn a_task_learns_that_the_client_has_gone_in_the_middle_of_the_body() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::new(handler(move |request: Request<Body>| {
        let calls = noted.clone();
        async move {
            tokio::spawn(async move {
                let read = read_all(request.into_body()).await;
                calls.note(match read {
                    Err(BodyError::Connection(_) | BodyError::Cancelled) => "gone".to_owned(),
                    other => format!("{other:?}"),
                });
            });
            std::future::pending::<Response<Body>>().await
        }
    }));
    let mut peer = site.connect().await;
    peer.send(post(100_000) + "x").await;
    settle().await;
    peer.conn.close();
    settle().await;
    assert_eq!(calls.list(), ["gone"]);
    assert_eq!(site.server.stats().open_connections, 0);
}

/// A body whose every poll is in another task wakes the right one.
#[tokio::test(start_paused = true)]
async fn a_body_that_moves_between_tasks_in_the_middle_of_a_wait_loses_no_piece() {
    let site = Site::new(handler(async |request: Request<Body>| {
        let mut body = request.into_body();
        let mut text_so_far = String::new();
        // Polled once here, so that this task's waker is the one that is known.
        poll_fn(|cx| {
            let polled = std::pin::pin!(body.frame()).poll(cx);
            assert!(polled.is_pending(), "nothing has come yet");
            Poll::Ready(())
        })
        .await;
        for _ in 0..3 {
            let read = tokio::spawn(async move {
                let frame = body.frame().await.expect("a piece").expect("a good body");
                (body, frame.into_data().expect("data"))
            });
            let (again, data) = read.await.expect("it does not panic");
            body = again;
            text_so_far += &String::from_utf8_lossy(&data);
        }
        assert!(body.frame().await.is_none());
        text(text_so_far)
    }));
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(post(9)).await;
        for piece in ["abc", "def", "ghi"] {
            settle().await;
            peer.send(piece).await;
        }
        peer.answer().await.expect(200, &[("content-length", "9")], "abcdefghi");
    }
}
