//! An axum `Router` and tower layers, unchanged.

use std::collections::HashMap;

use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::{BodyExt, BodyStream};
use tower::ServiceBuilder;

use crate::support::{Site, by_hand, settle};

type Numbers = HashMap<String, u32>;

fn router() -> Router {
    Router::new()
        .route("/", get(async || "Hello, World!"))
        .route(
            "/pages",
            get(async |Query(page): Query<Numbers>| format!("page {}", page["number"])),
        )
        .route("/things/{name}", get(async |Path(name): Path<String>| name))
        .route("/state", get(async |State(state): State<&'static str>| state))
        .route(
            "/json",
            post(async |Json(numbers): Json<Numbers>| {
                Json(numbers.into_iter().map(|(name, n)| (name, n + 1)).collect::<Numbers>())
            }),
        )
        .route("/echo", post(async |body: bytes::Bytes| body))
        .route("/stream", post(async |request: Request| Response::new(request.into_body())))
        .route("/count", post(count))
        .route("/events", get(events))
        .route("/fails", get(async || StatusCode::IM_A_TEAPOT))
        .layer(DefaultBodyLimit::max(10_000))
        .fallback(async || (StatusCode::NOT_FOUND, "nothing here"))
        .with_state("stateful")
}

/// Counts a body of any size, piece by piece.
async fn count(request: Request) -> String {
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.expect("a good body").data_ref().map_or(0, |data| data.len());
    }
    length.to_string()
}

async fn events() -> Response {
    let (feed, body) = by_hand();
    tokio::spawn(async move {
        for number in 0..3 {
            feed.data(format!("data: {number}\n\n"));
            settle().await;
        }
    });
    let stream = http_body_util::StreamBody::new(BodyStream::new(body));
    axum::body::Body::new(stream).into_response()
}

const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

fn request(line: &str, fields: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test(start_paused = true)]
async fn a_router_works_as_it_is() {
    let site = Site::new(router());
    let mut peer = site.connect().await;
    for (line, status, body) in [
        ("GET /", 200, "Hello, World!"),
        ("GET /pages?number=12", 200, "page 12"),
        ("GET /things/a%20b", 200, "a b"),
        ("GET /state", 200, "stateful"),
        ("GET /none", 404, "nothing here"),
    ] {
        let answer = peer.ask(request(line, "", "")).await;
        let length = body.len().to_string();
        answer.expect(status, &[TEXT, ("content-length", &length)], body);
    }
    assert_eq!(peer.ask(request("GET /pages?number=x", "", "")).await.status, 400);
    assert_eq!(peer.ask(request("GET /fails", "", "")).await.status, 418);
    let wrong = peer.ask(request("POST /", "", "")).await;
    assert_eq!((wrong.status, wrong.field("allow")), (405, Some("GET,HEAD")));
    assert_eq!(site.server.stats().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn head_requests_of_a_router_have_the_length_of_get() {
    let site = Site::new(router());
    let mut peer = site.connect().await;
    for _ in 0..2 {
        peer.send(request("HEAD /", "", "")).await;
        peer.answer_to_head().await.expect(200, &[TEXT, ("content-length", "13")], "");
    }
}

#[tokio::test(start_paused = true)]
async fn json_goes_in_and_out() {
    let site = Site::new(router());
    let mut peer = site.connect().await;
    let json = "content-type: application/json\r\n";
    let answer = peer.ask(request("POST /json", json, r#"{"a": 41}"#)).await;
    let fields = [("content-type", "application/json"), ("content-length", "8")];
    answer.expect(200, &fields, r#"{"a":42}"#);
    assert_eq!(peer.ask(request("POST /json", json, "{")).await.status, 400);
    assert_eq!(peer.ask(request("POST /json", "", "{}")).await.status, 415);
}

#[tokio::test(start_paused = true)]
async fn limits_of_extractors_hold_for_either_framing_and_streams_have_none() {
    let site = Site::new(router());
    let mut peer = site.connect().await;
    let (fits, large) = ("x".repeat(10_000), "x".repeat(10_001));
    assert_eq!(peer.ask(request("POST /echo", "", &fits)).await.text(), fits);
    assert_eq!(peer.ask(request("POST /echo", "", &large)).await.status, 413);
    let chunked = |body: &str| {
        let fields = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{fields}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    assert_eq!(peer.ask(chunked(&fits)).await.text(), fits);
    assert_eq!(peer.ask(chunked(&large)).await.status, 413);
    let huge = "x".repeat(200_000);
    let answer = peer.ask(request("POST /count", "", &huge)).await;
    answer.expect(200, &[TEXT, ("content-length", "6")], "200000");
    assert_eq!(site.server.stats().connections, 1, "each time the connection went on");
}

#[tokio::test(start_paused = true)]
async fn bodies_stream_through_a_router_both_ways() {
    let site = Site::new(router());
    let mut peer = site.connect().await;
    let answer = peer.ask(request("GET /events", "", "")).await;
    assert_eq!(answer.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    assert_eq!(answer.chunks.as_deref(), Some(&[9, 9, 9][..]));

    peer.send("POST /stream HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
    settle().await;
    assert!(peer.so_far().await.ends_with("\r\n\r\n"));
    for chunk in ["5\r\nhello\r\n", "2\r\nyo\r\n", "0\r\nx-sum: 7\r\n\r\n"] {
        peer.send(chunk).await;
        settle().await;
        assert_eq!(peer.so_far().await, chunk);
    }
}

/// Adds a field to each answer, and refuses without a token.
async fn guarded(headers: HeaderMap, request: Request, next: Next) -> Response {
    if !headers.contains_key("x-token") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-guarded", "yes".parse().expect("a value"));
    response
}

#[tokio::test(start_paused = true)]
async fn layers_work_around_a_router() {
    let site = Site::new(router().layer(middleware::from_fn(guarded)));
    let mut peer = site.connect().await;
    let token = "x-token: 1\r\n";
    assert_eq!(peer.ask(request("GET /", "", "")).await.status, 401);
    let answer = peer.ask(request("GET /", token, "")).await;
    let fields = [TEXT, ("content-length", "13"), ("x-guarded", "yes")];
    answer.expect(200, &fields, "Hello, World!");
}

#[tokio::test(start_paused = true)]
async fn tower_layers_work_around_any_service() {
    let router = Router::new().route("/", get(async || "quick"));
    let service = ServiceBuilder::new()
        .map_request(|mut request: http::Request<dipole_http::Body>| {
            if request.uri().path() == "/moved" {
                *request.uri_mut() = "/".parse().expect("a target");
            }
            request
        })
        .map_response(|mut response: Response| {
            response.headers_mut().insert("x-mapped", "yes".parse().expect("a value"));
            response
        })
        .service(router);
    let site = Site::new(service);
    let mut peer = site.connect().await;
    for line in ["GET /", "GET /moved"] {
        let answer = peer.ask(request(line, "", "")).await;
        answer.expect(200, &[TEXT, ("content-length", "5"), ("x-mapped", "yes")], "quick");
    }
}
