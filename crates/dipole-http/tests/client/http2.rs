//! HTTP/2 by prior knowledge: requests share a connection.

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, BodyError, ClientErrorKind, Deadline, ProtocolChoice};
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout};

use crate::far::{Far, Near, bad, by_hand, configured, good, piece, read, settle, text};
use crate::far_http2::{FarHttp2, serve};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn near_and_far() -> (Near, Far) {
    configured(|config| config.protocol = ProtocolChoice::Http2)
}

fn post(body: Body) -> Request<Body> {
    Request::post("http://far/").body(body).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn a_request_says_what_it_says_in_http1() {
    let (near, mut far) = near_and_far();
    let request = Request::post("http://far:80/path?query")
        .header("x-a", "1")
        .header("host", "elsewhere")
        .header("connection", "keep-alive")
        .body(Body::from("hello"));
    let asked = near.ask(request.expect("a request"));
    let mut far = FarHttp2::new(far.accept().await).await;
    let mut got = far.next().await;
    let request = &got.request;
    assert_eq!((request.method(), request.version()), (&Method::POST, Version::HTTP_2));
    assert_eq!(request.uri(), "http://elsewhere/path?query");
    let fields: Vec<_> = request.headers().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(fields, ["x-a", "content-length"]);
    got.answer("hi");
    let running = far.run();
    let data = got.request.body_mut().data().await;
    assert_eq!(data.expect("a body").expect("no fault"), "hello");
    let response = good(asked).await;
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert_eq!(text(response).await, "hi");
    drop(near);
    timeout(secs(1), running).await.expect("it ends").expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_share_one_connection() {
    let (near, mut far) = near_and_far();
    let asked: Vec<_> = (0..100).map(|_| near.get()).collect();
    let _serving = serve(far.accept().await, |_| async {
        tokio::time::sleep(secs(1)).await;
        Response::new("hi".into())
    });
    let begin = Instant::now();
    for asked in asked {
        assert_eq!(text(good(asked).await).await, "hi");
    }
    assert_eq!((near.network.stats().dials, begin.elapsed().as_secs()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn another_connection_is_made_where_the_server_allows_no_more_streams() {
    let (near, mut far) = near_and_far();
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    // The first tells its limit with its first answer.
    let asked = near.get();
    let mut one = FarHttp2::built(far.accept().await, &builder).await;
    one.next().await.answer("hi");
    let serving = tokio::spawn(async move {
        let mut held = Vec::new();
        while held.len() < 2 {
            held.push(one.next().await);
        }
        (one, held)
    });
    assert_eq!(text(good(asked).await).await, "hi");
    settle().await;
    let asked: Vec<_> = (0..3).map(|_| near.get()).collect();
    let mut two = FarHttp2::built(far.accept().await, &builder).await;
    two.next().await.answer("two");
    let _two = two.run();
    let (one, mut held) = serving.await.expect("no panic");
    held.iter_mut().for_each(|asked| asked.answer("one"));
    let _one = one.run();
    let mut answers = Vec::new();
    for asked in asked {
        answers.push(text(good(asked).await).await);
    }
    answers.sort();
    assert_eq!(
        (answers, near.network.stats().dials),
        (vec!["one".into(), "one".into(), "two".into()], 2)
    );
}

#[tokio::test(start_paused = true)]
async fn trailers_go_both_ways() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    feed.send(piece("data")).expect("the body is there");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    feed.send(Ok(Frame::trailers(trailers.clone()))).expect("the body is there");
    drop(feed);
    let asked = near.ask(post(body));
    let mut far = FarHttp2::new(far.accept().await).await;
    let mut got = far.next().await;
    let mut stream = got.respond.send_response(Response::new(()), false).expect("it waits");
    stream.send_data(Bytes::from_static(b"hi"), false).expect("it waits");
    stream.send_trailers(trailers.clone()).expect("it waits");
    let _running = far.run();
    let body = got.request.body_mut();
    assert_eq!(body.data().await.expect("data").expect("no fault"), "data");
    assert_eq!(body.trailers().await.expect("no fault"), Some(trailers.clone()));
    assert_eq!(read(good(asked).await).await.expect("a body"), ("hi".into(), Some(trailers)));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refused_is_sent_again() {
    for method in [Method::GET, Method::POST] {
        let (near, mut far) = near_and_far();
        let asked = near.method(method, Body::from("body"));
        let mut far = FarHttp2::new(far.accept().await).await;
        far.next().await.refuse();
        let mut again = far.next().await;
        again.answer("hi");
        let _running = far.run();
        let data = again.request.body_mut().data().await;
        assert_eq!(data.expect("a body").expect("no fault"), "body");
        assert_eq!(text(good(asked).await).await, "hi");
        assert_eq!(near.network.stats().dials, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_again_and_again_is_given_up() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.max_tries = 5;
    });
    let asked = near.get();
    let mut far = FarHttp2::new(far.accept().await).await;
    for _ in 0..5 {
        far.next().await.refuse();
    }
    // A sixth time would be answered.
    let _running = tokio::spawn(async move {
        far.next().await.answer("hi");
        far.run().await
    });
    let error = bad(asked).await;
    assert_eq!(error.kind(), ClientErrorKind::Connection, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_away_ends_what_it_has_begun_and_takes_no_more() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut one = FarHttp2::new(far.accept().await).await;
    let mut got = one.next().await;
    one.connection.graceful_shutdown();
    let running = one.run();
    settle().await;
    // A POST is not sent again where the server may have seen it: it must not be lost here.
    let second = near.ask(post(Body::from("x")));
    let _two = serve(far.accept().await, |_| async { Response::new("two".into()) });
    assert_eq!(text(good(second).await).await, "two");
    got.answer("one");
    assert_eq!(text(good(asked).await).await, "one");
    timeout(secs(10), running).await.expect("it ends").expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_request_survives_a_kept_connection_that_is_gone() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let serving = serve(far.accept().await, |_| async { Response::new("one".into()) });
    assert_eq!(text(good(asked).await).await, "one");
    serving.abort();
    let asked = near.get();
    let _two = serve(far.accept().await, |_| async { Response::new("two".into()) });
    assert_eq!(text(good(asked).await).await, "two");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_resets_its_stream_alone() {
    let (near, mut far) = near_and_far();
    let (dropped, kept) = (near.get(), near.get());
    let mut far = FarHttp2::new(far.accept().await).await;
    let (mut first, mut second) = (far.next().await, far.next().await);
    dropped.abort();
    let _running = far.run();
    let reason = std::future::poll_fn(|cx| first.respond.poll_reset(cx)).await;
    assert_eq!(reason.expect("a reset"), Reason::CANCEL);
    second.answer("hi");
    assert_eq!(text(good(kept).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_dropped_resets_its_stream_alone() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut far = FarHttp2::new(far.accept().await).await;
    let mut got = far.next().await;
    let mut stream = got.respond.send_response(Response::new(()), false).expect("it waits");
    stream.send_data(Bytes::from_static(b"part"), false).expect("it waits");
    let _running = far.run();
    drop(good(asked).await);
    let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
    assert_eq!(reason.expect("a reset"), Reason::CANCEL);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_breaks_off_is_no_whole_body() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut far = FarHttp2::new(far.accept().await).await;
    let mut got = far.next().await;
    let mut stream = got.respond.send_response(Response::new(()), false).expect("it waits");
    stream.send_data(Bytes::from_static(b"part"), false).expect("it waits");
    let _running = far.run();
    let mut body = good(asked).await.into_body();
    assert_eq!(
        body.frame().await.expect("a piece").expect("no fault").into_data().expect("data"),
        "part"
    );
    stream.send_reset(Reason::INTERNAL_ERROR);
    let error = body.frame().await.expect("an end").expect_err("it is not whole");
    assert!(matches!(error, BodyError::Connection(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_shorter_than_it_promised_is_no_whole_body() {
    for reason in [Reason::NO_ERROR, Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let mut far = FarHttp2::new(far.accept().await).await;
        let mut got = far.next().await;
        let response = Response::builder().header("content-length", 100).body(());
        let response = response.expect("a response");
        let mut stream = got.respond.send_response(response, false).expect("it waits");
        stream.send_data(Bytes::from_static(b"half"), false).expect("it waits");
        let _running = far.run();
        let reading = tokio::spawn(read(good(asked).await));
        settle().await;
        stream.send_reset(reason);
        reading.await.expect("no panic").expect_err("it is not whole");
    }
}

#[tokio::test(start_paused = true)]
async fn a_length_without_a_body_promises_nothing() {
    let (near, mut far) = near_and_far();
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 304)] {
        let asked = near.method(method, Body::empty());
        let conn = far.accept().await;
        let mut far = FarHttp2::new(conn).await;
        let mut got = far.next().await;
        let response = Response::builder().status(status).header("content-length", 100).body(());
        let response = response.expect("a response");
        got.respond.send_response(response, true).expect("it waits");
        let running = far.run();
        assert_eq!(text(good(asked).await).await, "");
        running.abort();
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_slows_the_server_down() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.http2.stream_window = 65_535;
    });
    let asked = near.get();
    let mut far = FarHttp2::new(far.accept().await).await;
    let mut got = far.next().await;
    let mut stream = got.respond.send_response(Response::new(()), false).expect("it waits");
    let _running = far.run();
    stream.reserve_capacity(1 << 20);
    let response = good(asked).await;
    let mut sent = 0;
    // Nobody reads: what goes out is the window, and no more.
    while let Ok(Some(room)) =
        timeout(secs(1), std::future::poll_fn(|cx| stream.poll_capacity(cx))).await
    {
        let room = room.expect("the stream is there");
        stream.send_data(vec![b'x'; room].into(), false).expect("it waits");
        sent += room;
        stream.reserve_capacity(1 << 20);
    }
    assert_eq!(sent, 65_535);
    let reading = tokio::spawn(read(response));
    while sent < 1 << 20 {
        let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let room = room.expect("the stream is there").expect("the reader reads");
        let room = room.min((1 << 20) - sent);
        sent += room;
        stream.send_data(vec![b'x'; room].into(), sent == 1 << 20).expect("it waits");
    }
    let (body, _) = reading.await.expect("no panic").expect("a whole body");
    assert_eq!(body.len(), 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_or_lies_about_its_length_resets_the_stream() {
    let (near, mut far) = near_and_far();
    let (feed, body) = by_hand();
    let asked = near.ask(post(body));
    let mut far = FarHttp2::new(far.accept().await).await;
    let mut got = far.next().await;
    let _running = far.run();
    feed.send(piece("part")).expect("the body is there");
    feed.send(Err(BodyError::TimedOut)).expect("the body is there");
    assert_eq!(bad(asked).await.kind(), ClientErrorKind::RequestBody);
    let body = got.request.body_mut();
    let mut came = body.data().await;
    while let Some(Ok(_)) = came {
        came = body.data().await;
    }
    assert!(matches!(came, Some(Err(_))), "{came:?}");
}

#[tokio::test(start_paused = true)]
async fn a_response_takes_so_long_at_most_from_the_end_of_its_request() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.response_timeout = Some(secs(5));
    });
    let (feed, body) = by_hand();
    let asked = near.ask(post(body));
    let mut far = FarHttp2::new(far.accept().await).await;
    let _got = far.next().await;
    let _running = far.run();
    tokio::time::sleep(secs(60)).await;
    drop(feed);
    let begin = Instant::now();
    assert_eq!(bad(asked).await.deadline(), Some(Deadline::Response));
    assert_eq!(begin.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_gone() {
    let (near, mut far) = near_and_far();
    let asked = near.get();
    let mut silent = FarHttp2::new(far.accept().await).await;
    let _got = silent.next().await;
    let begin = Instant::now();
    let error = bad(asked).await;
    assert_eq!(error.kind(), ClientErrorKind::Connection, "{error}");
    assert_eq!(begin.elapsed().as_secs(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_requests_stays_so_long_and_no_longer() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.idle_timeout = secs(10);
    });
    let asked = near.get();
    let serving = serve(far.accept().await, |_| async { Response::new("hi".into()) });
    assert_eq!(text(good(asked).await).await, "hi");
    tokio::time::sleep(secs(9)).await;
    assert_eq!(text(good(near.get()).await).await, "hi");
    let begin = Instant::now();
    timeout(secs(60), serving).await.expect("it ends").expect("no panic");
    assert!((10..12).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    settle().await;
    assert_eq!((near.network.stats().dials, near.open()), (1, 0));
}

/// RFC 9113 8.1: only END_STREAM ends a body; a reset cuts it off, whatever its code.
#[tokio::test(start_paused = true)]
async fn a_body_that_is_reset_before_its_end_does_not_pass_for_whole() {
    for (reason, has_data) in
        [(Reason::NO_ERROR, true), (Reason::NO_ERROR, false), (Reason::CANCEL, true)]
    {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let mut far = FarHttp2::new(far.accept().await).await;
        let mut got = far.next().await;
        let mut stream = got.respond.send_response(Response::new(()), false).expect("it waits");
        if has_data {
            stream.send_data(Bytes::from_static(b"half"), false).expect("it waits");
        }
        let running = far.run();
        let response = good(asked).await;
        settle().await;
        stream.send_reset(reason);
        let read = response.into_body().collect().await;
        let error = read.expect_err("it is cut off");
        assert!(matches!(error, BodyError::Connection(_)), "{reason:?}: {error:?}");
        drop((near, running));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_a_stream_where_no_more_connections_are_allowed() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.max_connections_per_host = Some(1);
        config.http2.max_streams = 2;
        config.pool_timeout = Some(secs(10));
    });
    // A stream is free when its response has been read.
    let read = |asked| tokio::spawn(async { text(good(asked).await).await });
    let asked: Vec<_> = (0..3).map(|_| read(near.get())).collect();
    let mut conn = FarHttp2::new(far.accept().await).await;
    let (mut one, mut two) = (conn.next().await, conn.next().await);
    settle().await;
    far.expect_no_dial().await;
    one.answer("hi");
    let mut three = conn.next().await;
    two.answer("hi");
    three.answer("hi");
    let _running = conn.run();
    for asked in asked {
        assert_eq!(asked.await.expect("no panic"), "hi");
    }
    assert_eq!(near.network.stats().dials, 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_stream_takes_so_long_at_most() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.max_connections_per_host = Some(1);
        config.http2.max_streams = 1;
        config.pool_timeout = Some(secs(3));
    });
    let _first = near.get();
    let mut conn = FarHttp2::new(far.accept().await).await;
    let _one = conn.next().await;
    let _running = conn.run();
    let begin = Instant::now();
    let error = bad(near.get()).await;
    assert_eq!((error.kind(), error.deadline()), (ClientErrorKind::Connect, Some(Deadline::Pool)));
    assert_eq!(begin.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_requests_for_so_long_and_no_longer() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.max_connection_age = Some(secs(10));
    });
    let hello = |_| std::future::ready(Response::new("hi".into()));
    let asked = near.get();
    let _first = serve(far.accept().await, hello);
    assert_eq!(text(good(asked).await).await, "hi");
    tokio::time::sleep(secs(9)).await;
    assert_eq!(text(good(near.get()).await).await, "hi");
    assert_eq!(near.network.stats().dials, 1);
    tokio::time::sleep(secs(2)).await;
    let asked = near.get();
    let _second = serve(far.accept().await, hello);
    assert_eq!(text(good(asked).await).await, "hi");
    assert_eq!(near.network.stats().dials, 2);
}

#[tokio::test(start_paused = true)]
async fn each_piece_of_a_body_takes_so_long_at_most() {
    let (near, mut far) = configured(|config| {
        config.protocol = ProtocolChoice::Http2;
        config.body_timeout = Some(secs(5));
    });
    let asked = near.get();
    let mut conn = FarHttp2::new(far.accept().await).await;
    let mut got = conn.next().await;
    let mut stream = got.respond.send_response(Response::new(()), false).expect("it waits");
    stream.send_data(Bytes::from_static(b"hi"), false).expect("it waits");
    let _running = conn.run();
    let mut body = good(asked).await.into_body();
    let begin = Instant::now();
    assert!(body.frame().await.expect("a piece").expect("in time").is_data());
    let error = body.frame().await.expect("an error").expect_err("late");
    assert!(matches!(error, BodyError::TimedOut), "{error}");
    assert_eq!(begin.elapsed().as_secs(), 5);
}
