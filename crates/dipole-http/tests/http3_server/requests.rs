//! Requests and their responses.

use bytes::Bytes;
use dipole_http::{Body, HttpService};
use dipole_net::SendStreamExt;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};

use super::client::*;
use crate::codec::code;
use crate::support::handler;

/// Says what came, and gives a body of `x` bytes for `/bytes/x`.
fn service() -> impl HttpService {
    axum::Router::new()
        .route("/", axum::routing::get(|| async { "Hello, World!" }))
        .route("/nothing", axum::routing::get(|| async { StatusCode::NO_CONTENT }))
        .route("/panic", axum::routing::get(|| async { panic!("on purpose") as &'static str }))
        .route(
            "/echo",
            axum::routing::post(|request: axum::extract::Request| async move {
                assert_eq!(request.version(), Version::HTTP_3);
                Response::new(request.into_body())
            }),
        )
        .route(
            "/bytes/{count}",
            axum::routing::get(|count: axum::extract::Path<usize>| async move {
                Bytes::from(vec![b'x'; count.0])
            }),
        )
        .route(
            "/fields",
            axum::routing::get(|headers: HeaderMap, uri: http::Uri| async move {
                format!("{uri} {}", headers["cookie"].to_str().unwrap())
            }),
        )
}

#[tokio::test(start_paused = true)]
async fn an_axum_router_answers_as_on_tcp() {
    let site = Site::new(service());
    let client = site.connect().await;
    let answer = client.ask("GET", "/", b"").await.unwrap();
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "Hello, World!"));
    assert_eq!(answer.headers["content-length"], "13");
    assert!(answer.headers.contains_key("date"));
    let missing = client.ask("GET", "/missing", b"").await.unwrap();
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let mut stream =
        client.begin("GET", "/fields?q", &[("cookie", "a=1"), ("cookie", "b=2")]).await;
    stream.send.close().await.unwrap();
    assert_eq!(answer_text(&mut stream).await, "https://a/fields?q a=1; b=2");
    let stats = site.server.stats();
    assert_eq!((stats.requests, stats.rejected, stats.open_connections), (3, 0, 1));
}

async fn answer_text(stream: &mut dipole_net::Stream) -> String {
    answer(&mut stream.receive).await.unwrap().text().to_owned()
}

#[tokio::test(start_paused = true)]
async fn head_and_204_have_no_body() {
    let site = Site::new(service());
    let client = site.connect().await;
    let head = client.ask("HEAD", "/", b"").await.unwrap();
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.headers["content-length"], "13");
    let nothing = client.ask("GET", "/nothing", b"").await.unwrap();
    assert_eq!((nothing.status, nothing.body.len()), (StatusCode::NO_CONTENT, 0));
    assert!(!nothing.headers.contains_key("content-length"));
}

#[tokio::test(start_paused = true)]
async fn large_bodies_pass_both_ways() {
    let site = Site::new(service());
    let client = site.connect().await;
    let download = client.ask("GET", "/bytes/5000000", b"").await.unwrap();
    assert!(download.body.iter().all(|&byte| byte == b'x'));
    assert_eq!(download.body.len(), 5_000_000);
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut stream = client.begin("POST", "/echo", &[]).await;
    let mut send = stream.send;
    let sent = body.clone();
    let sending = tokio::spawn(async move {
        for piece in sent.chunks(100_000) {
            send.write_all(&data(piece)).await.unwrap();
        }
        send.close().await.unwrap();
    });
    let echoed = answer(&mut stream.receive).await.unwrap();
    sending.await.unwrap();
    assert_eq!(echoed.body, body);
}

#[tokio::test(start_paused = true)]
async fn many_requests_at_once_are_answered() {
    let site = Site::new(service());
    let client = site.connect().await;
    let asked = (0..1000).map(|number| {
        let client = &client;
        async move {
            let path = format!("/bytes/{number}");
            client.ask("GET", &path, b"").await.unwrap().body.len() == number
        }
    });
    let answered = futures_util::future::join_all(asked).await;
    assert!(answered.into_iter().all(|is_right| is_right));
    assert_eq!(site.server.stats().requests, 1000);
}

/// Gives the request's trailers back as the response's.
fn trailing() -> impl HttpService {
    handler(async |request| {
        let collected = request.into_body().collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        let mut frames = vec![Ok(Frame::data(collected.to_bytes()))];
        frames.extend(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        let body: BoxBody<Bytes, dipole_http::BodyError> =
            BodyExt::boxed(StreamBody::new(stream::iter(frames)));
        Response::new(Body::new(body))
    })
}

#[tokio::test(start_paused = true)]
async fn trailers_pass_both_ways() {
    let site = Site::new(trailing());
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[]).await;
    stream.send.write_all(&data(b"body")).await.unwrap();
    stream.send.write_all(&head(&[("checksum", "right")])).await.unwrap();
    stream.send.close().await.unwrap();
    let answer = answer(&mut stream.receive).await.unwrap();
    assert_eq!(answer.text(), "body");
    let mut expected = HeaderMap::new();
    expected.insert("checksum", HeaderValue::from_static("right"));
    assert_eq!(answer.trailers, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_100_gets_it_when_its_body_is_wanted() {
    let site = Site::new(service());
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/echo", &[("expect", "100-continue")]).await;
    // The handler answers at once and streams: nothing is read before the client sends.
    stream.send.write_all(&data(b"now")).await.unwrap();
    stream.send.close().await.unwrap();
    assert_eq!(answer_text(&mut stream).await, "now");
    let reading = handler(async |request| {
        let whole = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(Body::full(whole))
    });
    let site = Site::new(reading);
    let client = site.connect().await;
    let mut stream = client.begin("POST", "/", &[("expect", "100-continue")]).await;
    let mut send = stream.send;
    let late = tokio::spawn(async move {
        tokio::time::sleep(crate::support::ms(100)).await;
        send.write_all(&data(b"late")).await.unwrap();
        send.close().await.unwrap();
    });
    let answer = answer(&mut stream.receive).await.unwrap();
    late.await.unwrap();
    assert_eq!(answer.before, [StatusCode::CONTINUE]);
    assert_eq!(answer.text(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_panic_answers_500_and_harms_no_other_request() {
    let site = Site::new(service());
    let client = site.connect().await;
    let failed = client.ask("GET", "/panic", b"").await.unwrap();
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(client.ask("GET", "/", b"").await.unwrap().status, StatusCode::OK);
    assert_eq!(site.server.stats().panics, 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_as_long_as_it_says_is_broken_off() {
    let site = Site::new(handler(async |_| {
        let mut response = Response::new(Body::full("short"));
        response.headers_mut().insert("content-length", HeaderValue::from_static("6"));
        response
    }));
    let client = site.connect().await;
    let mut stream = client.begin("GET", "/", &[]).await;
    stream.send.close().await.unwrap();
    assert_eq!(reset_code(&mut stream.receive).await, code::INTERNAL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn connect_streams_both_ways_like_any_other_request() {
    let site = Site::new(handler(async |request| Response::new(request.into_body())));
    let client = site.connect().await;
    let mut stream = client.begin_with(&[(":method", "CONNECT"), (":authority", "a:443")]).await;
    stream.send.write_all(&data(b"tunnelled")).await.unwrap();
    tokio::time::sleep(crate::support::ms(20)).await;
    stream.send.close().await.unwrap();
    assert_eq!(answer_text(&mut stream).await, "tunnelled");
}

#[tokio::test(start_paused = true)]
async fn an_extended_connect_is_a_tunnel_where_it_is_taken() {
    let tunnel = handler(async |request: http::Request<Body>| {
        let protocol = request.extensions().get::<hyper::ext::Protocol>().cloned();
        assert_eq!(protocol.unwrap().as_str(), "websocket");
        Response::new(request.into_body())
    });
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ];
    let site = Site::new(tunnel.clone());
    let client = site.connect().await;
    let mut stream = client.begin_with(&fields).await;
    stream.send.write_all(&data(b"tunnelled")).await.unwrap();
    stream.send.close().await.unwrap();
    assert_eq!(answer_text(&mut stream).await, "tunnelled");
    let site = Site::configured(tunnel, |config| config.http3.extended_connect = false);
    let client = site.connect().await;
    let mut stream = client.begin_with(&fields).await;
    assert_eq!(reset_code(&mut stream.receive).await, code::MESSAGE_ERROR);
}
