//! Deadlines, on a clock that stands still while anything can run: they hold to the tick.

use dipole_http::{Body, HttpService};
use dipole_net::{Conn, ConnExt};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::support::{
    Calls, End, Site, by_hand, expect_on_time, handler, ms, read_all, secs, settle, text,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n";

fn hello() -> impl HttpService {
    handler(async |_| text("hello"))
}

/// Reads the body, and answers with its length or with what went wrong.
fn reads(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |request: Request<Body>| {
        let calls = calls.clone();
        async move {
            let words = match read_all(request.into_body()).await {
                Ok((data, _)) => format!("{} bytes", data.len()),
                Err(error) => error.to_string(),
            };
            calls.note(&words);
            text(words)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_let_go_by_the_header_deadline() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    peer.expect_end_after(secs(15)).await;
    let stats = site.server.stats();
    assert_eq!((stats.timed_out, stats.open_connections, stats.requests), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_first_head_has_its_deadline_from_the_connections_beginning() {
    let site = Site::configured(hello(), |config| config.header_timeout = Some(secs(5)));
    let mut peer = site.connect().await;
    let begin = Instant::now();
    sleep(secs(4)).await;
    peer.send("GET / HT").await;
    peer.answer().await.expect_refusal(408);
    expect_on_time(begin, secs(5));
    peer.expect_end().await;
    assert_eq!(site.server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_drips_in_does_not_extend_its_deadline() {
    let site = Site::configured(hello(), |config| config.header_timeout = Some(secs(5)));
    let mut peer = site.connect().await;
    let begin = Instant::now();
    for byte in GET.bytes().take(20) {
        peer.try_send([byte]).await;
        sleep(ms(240)).await;
    }
    peer.answer().await.expect_refusal(408);
    expect_on_time(begin, secs(5));
    peer.expect_end().await;
    assert_eq!(site.server.stats().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn a_later_head_has_its_deadline_from_its_first_byte() {
    let site = Site::configured(hello(), |config| config.header_timeout = Some(secs(5)));
    let mut peer = site.connect().await;
    peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    sleep(secs(30)).await;
    let begin = Instant::now();
    peer.send("GET / HT").await;
    sleep(secs(3)).await;
    peer.send("TP/1.1\r\n").await;
    peer.answer().await.expect_refusal(408);
    expect_on_time(begin, secs(5));
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_in_a_batch_has_its_deadline_from_its_first_byte() {
    let site = Site::configured(hello(), |config| config.header_timeout = Some(secs(5)));
    let mut peer = site.connect().await;
    sleep(secs(3)).await;
    let begin = Instant::now();
    peer.ask(format!("{GET}GET /2")).await.expect(200, &[("content-length", "5")], "hello");
    peer.answer().await.expect_refusal(408);
    expect_on_time(begin, secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_in_time_is_answered() {
    let site = Site::configured(hello(), |config| config.header_timeout = Some(secs(5)));
    let mut peer = site.connect().await;
    for _ in 0..3 {
        peer.send(&GET[..10]).await;
        sleep(ms(4990)).await;
        peer.ask(&GET[10..]).await.expect(200, &[("content-length", "5")], "hello");
    }
    assert_eq!(site.server.stats().timed_out, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_requests_is_let_go_by_the_idle_deadline() {
    let site = Site::new(hello());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        sleep(secs(10)).await;
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    for _ in 0..2 {
        sleep(secs(74)).await;
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    peer.expect_end_after(secs(75)).await;
    let stats = site.server.stats();
    assert_eq!((stats.timed_out, stats.open_connections), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_answered_with_408() {
    let calls = Calls::default();
    let site = Site::configured(reads(&calls), |config| config.body_timeout = Some(secs(7)));
    let mut peer = site.connect().await;
    peer.send(POST).await;
    // Each piece gives new time.
    for _ in 0..3 {
        sleep(secs(6)).await;
        peer.send("x").await;
    }
    let begin = Instant::now();
    peer.answer().await.expect_refusal(408);
    expect_on_time(begin, secs(7));
    peer.expect_end().await;
    let stats = site.server.stats();
    assert_eq!((stats.timed_out, stats.cancelled, stats.requests), (1, 1, 1));
    assert_eq!(calls.count(), 0, "the handler was dropped where it waited");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_ask_for_the_body_is_not_hurried_by_it() {
    let site = Site::configured(
        handler(async |request: Request<Body>| {
            sleep(secs(100)).await;
            text(format!("{} bytes", read_all(request.into_body()).await.expect("a body").0.len()))
        }),
        |config| config.body_timeout = Some(secs(7)),
    );
    let mut peer = site.connect().await;
    peer.send(POST).await;
    sleep(secs(105)).await;
    peer.ask("0123456789").await.expect(200, &[("content-length", "8")], "10 bytes");
}

/// The answer has begun, so there is none to be given: the reader of the body learns it.
#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_while_the_answer_is_sent_fails_for_its_reader() {
    let site = Site::configured(
        handler(async |request: Request<Body>| {
            let (feed, body) = by_hand();
            tokio::spawn(async move {
                feed.data("so far ");
                feed.data(match read_all(request.into_body()).await {
                    Ok(_) => "all".to_owned(),
                    Err(error) => error.to_string(),
                });
            });
            Response::new(body)
        }),
        |config| config.body_timeout = Some(secs(7)),
    );
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.send(format!("{POST}x")).await;
    let answer = peer.answer().await;
    expect_on_time(begin, secs(7));
    assert_eq!(answer.text(), "so far the next piece of the body did not come in time");
    peer.expect_end().await;
}

/// Reads so much that the network has no more under way, and not what the server has queued.
#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_is_broken_off() {
    let site = Site::configured(handler(async |_| text("x".repeat(2_000_000))), |config| {
        config.write_timeout = Some(secs(9))
    });
    let mut peer = site.connect().await;
    peer.send(GET).await;
    // Each progress gives new time.
    for _ in 0..3 {
        sleep(secs(8)).await;
        assert_eq!(site.server.stats().open_connections, 1);
        peer.conn.skip_all(100_000).await.expect("it is there");
    }
    settle().await;
    let begin = Instant::now();
    while site.server.stats().open_connections == 1 {
        sleep(ms(1)).await;
    }
    expect_on_time(begin, secs(9) - ms(1));
    let (_, end) = peer.rest_bytes().await;
    assert_eq!(end, End::Reset, "an answer that was cut must not look whole");
    assert_eq!(site.server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_reading_a_stream_is_broken_off() {
    let (feed, body) = by_hand();
    let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
    let site = Site::configured(
        handler(move |_| {
            let body = body.lock().expect("nobody panics here").take();
            async { Response::new(body.expect("one request")) }
        }),
        |config| config.write_timeout = Some(secs(9)),
    );
    let mut peer = site.connect().await;
    peer.send(GET).await;
    settle().await;
    feed.data(vec![b'x'; 1_000_000]);
    let begin = Instant::now();
    // More to send is no progress of what is being sent.
    sleep(secs(5)).await;
    feed.data("more");
    feed.dropped().await;
    expect_on_time(begin, secs(9));
    assert_eq!(peer.rest_bytes().await.1, End::Reset);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_is_dropped_and_answered_for_with_503() {
    let calls = Calls::default();
    let noted = calls.clone();
    let site = Site::configured(
        handler(move |_| {
            let noted = noted.note_drop("dropped");
            async move {
                sleep(secs(60)).await;
                drop(noted);
                text("too late")
            }
        }),
        |config| config.request_timeout = Some(secs(20)),
    );
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.ask(GET.repeat(2)).await.expect_refusal(503);
    expect_on_time(begin, secs(20));
    peer.expect_end().await;
    let stats = site.server.stats();
    assert_eq!((stats.timed_out, stats.cancelled, stats.requests), (1, 1, 1));
    assert_eq!(calls.list(), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_has_its_deadline_from_the_end_of_its_head() {
    let site = Site::configured(
        handler(async |request: Request<Body>| {
            read_all(request.into_body()).await.expect("a body");
            sleep(secs(60)).await;
            text("too late")
        }),
        |config| config.request_timeout = Some(secs(20)),
    );
    let mut peer = site.connect().await;
    peer.send(&POST[..10]).await;
    sleep(secs(5)).await;
    let begin = Instant::now();
    peer.send(&POST[10..]).await;
    sleep(secs(15)).await;
    peer.ask("0123456789").await.expect_refusal(503);
    expect_on_time(begin, secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_in_time_is_answered_and_the_next_has_time_of_its_own() {
    let site = Site::configured(
        handler(async |_| {
            sleep(ms(19_990)).await;
            text("hello")
        }),
        |config| config.request_timeout = Some(secs(20)),
    );
    let mut peer = site.connect().await;
    for _ in 0..3 {
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    peer.send(GET.repeat(3)).await;
    for _ in 0..3 {
        peer.answer().await.expect(200, &[("content-length", "5")], "hello");
    }
    assert_eq!(site.server.stats().timed_out, 0);
}

/// Of two deadlines the sooner counts.
#[tokio::test(start_paused = true)]
async fn the_sooner_of_two_deadlines_counts() {
    for (body, request, status, length) in [(10, 20, 408, 10), (20, 10, 503, 10)] {
        let site = Site::configured(reads(&Calls::default()), |config| {
            config.body_timeout = Some(secs(body));
            config.request_timeout = Some(secs(request));
        });
        let mut peer = site.connect().await;
        let begin = Instant::now();
        peer.ask(POST).await.expect_refusal(status);
        expect_on_time(begin, secs(length));
    }
}

#[tokio::test(start_paused = true)]
async fn without_deadlines_nothing_ends_by_time() {
    let site = Site::configured(
        handler(async |request: Request<Body>| {
            sleep(secs(100_000)).await;
            read_all(request.into_body()).await.expect("a body");
            text("x".repeat(1_000_000))
        }),
        |config| {
            config.header_timeout = None;
            config.body_timeout = None;
            config.idle_timeout = None;
            config.write_timeout = None;
            config.request_timeout = None;
        },
    );
    let mut peer = site.connect().await;
    for _ in 0..2 {
        sleep(secs(100_000)).await;
        peer.send(&POST[..10]).await;
        sleep(secs(100_000)).await;
        peer.send(&POST[10..]).await;
        sleep(secs(200_000)).await;
        peer.send("0123456789").await;
        sleep(secs(100_000)).await;
        let answer = peer.answer().await;
        assert_eq!((answer.status, answer.body.len()), (200, 1_000_000));
    }
}

/// A slow client holds no more than its connection.
#[tokio::test(start_paused = true)]
async fn slow_clients_delay_no_other() {
    let site = Site::new(hello());
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut peer = site.connect().await;
        peer.send("GET / HTTP/1.1\r\n").await;
        slow.push(peer);
    }
    let begin = Instant::now();
    site.connect().await.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    assert!(begin.elapsed() < ms(1));
    for peer in &mut slow {
        peer.answer().await.expect_refusal(408);
        peer.expect_end().await;
    }
    expect_on_time(begin, secs(15));
    slow.iter_mut().for_each(|peer| peer.conn.close());
    sleep_until(begin + secs(16)).await;
    let stats = site.server.stats();
    assert_eq!((stats.timed_out, stats.open_connections), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unread_body_that_drips_in_does_not_extend_the_time_for_throwing_it_away() {
    let site = Site::configured(hello(), |config| {
        config.body_timeout = Some(secs(5));
        config.linger_timeout = secs(0);
    });
    let mut peer = site.connect().await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n").await;
    let answer = peer.answer().await;
    answer.expect(200, &[("content-length", "5")], "hello");
    let begin = Instant::now();
    while site.server.stats().open_connections > 0 {
        assert!(begin.elapsed() < secs(10), "a drip held the connection");
        peer.try_send(*b"x").await;
        sleep(ms(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_no_longer_waits_for_the_body_is_not_ended_for_it() {
    let service = handler(async |request: Request<Body>| {
        let mut body = request.into_body();
        let waited = timeout(secs(1), body.frame()).await;
        sleep(secs(60)).await;
        drop(body);
        text(if waited.is_err() { "gave up" } else { "read" })
    });
    let site = Site::configured(service, |config| {
        config.body_timeout = Some(secs(10));
        config.request_timeout = None;
    });
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.ask(POST).await.expect(200, &[("content-length", "7")], "gave up");
    expect_on_time(begin, secs(61));
    assert_eq!(site.server.stats().timed_out, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_the_body_again_and_again_is_ended_for_it() {
    let service = handler(async |request: Request<Body>| {
        let mut body = request.into_body();
        while timeout(secs(1), body.frame()).await.is_err() {}
        text("read")
    });
    let site = Site::configured(service, |config| config.body_timeout = Some(secs(10)));
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.ask(POST).await.expect_refusal(408);
    expect_on_time(begin, secs(10));
    assert_eq!(site.server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_another_task_waits_for_has_its_deadline() {
    let service = handler(async |request: Request<Body>| {
        let mut body = request.into_body();
        let reader = tokio::spawn(async move { drop(body.frame().await) });
        // Its own turns say nothing of what the other task wants.
        for _ in 0..60 {
            sleep(secs(1)).await;
        }
        drop(reader);
        text("done")
    });
    let site = Site::configured(service, |config| config.body_timeout = Some(secs(10)));
    let mut peer = site.connect().await;
    let begin = Instant::now();
    peer.ask(POST).await.expect_refusal(408);
    expect_on_time(begin, secs(10));
}
