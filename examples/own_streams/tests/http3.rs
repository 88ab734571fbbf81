//! HTTP/3 over this library: the server and the client as they are, in virtual time.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use dipole_http::{Body, Client, ClientConfig, Drained, ProtocolChoice, Server, ServerHandle};
use dipole_sim::Network;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;
use own_streams::Mux;

/// The same routes as over any other library, and a client that asks them.
fn served() -> (Client, ServerHandle, Network) {
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                "slow"
            }),
        )
        .route("/echo", post(|body: Bytes| async { body }))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let network = Network::default();
    let mux = Mux::over(network.clone(), network.clone());
    let server = Server::new(router)
        .listen("far:80", network.clone())
        .listen("far:443", mux.clone())
        .spawn()
        .expect("a server");
    let mut config = ClientConfig::default();
    config.protocol = ProtocolChoice::Http3;
    let client = Client::builder().with_dialer(network.clone()).with_stream_dialer(mux);
    (client.config(config).build(), server, network)
}

async fn ask(client: &Client, request: Request<Body>) -> Bytes {
    let response = client.request(request).await.expect("a response");
    assert_eq!((response.version(), response.status()), (Version::HTTP_3, StatusCode::OK));
    response.into_body().collect().await.expect("a whole body").to_bytes()
}

fn asking(path: &str) -> Request<Body> {
    Request::get(format!("https://far{path}")).body(Body::empty()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn a_get_is_answered() {
    let (client, server, _) = served();
    assert_eq!(ask(&client, asking("/")).await, "hello");
    assert_eq!(server.shutdown(Duration::from_secs(5)).await, Drained::Whole);
}

#[tokio::test(start_paused = true)]
async fn the_same_server_answers_the_same_over_byte_streams() {
    let (_, _server, network) = served();
    let client = Client::builder().with_dialer(network).build();
    let request = Request::get("http://far/").body(Body::empty()).expect("a request");
    let response = client.request(request).await.expect("a response");
    assert_eq!((response.version(), response.status()), (Version::HTTP_11, StatusCode::OK));
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    assert_eq!(body, "hello");
}

#[tokio::test(start_paused = true)]
async fn a_mebibyte_comes_back_as_it_went() {
    let (client, _server, _) = served();
    let sent: Bytes = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    let request = Request::post("https://far/echo").body(Body::full(sent.clone()));
    let echoed = ask(&client, request.expect("a request")).await;
    assert!(echoed == sent, "{} bytes came back as {}", sent.len(), echoed.len());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_requests_at_once_share_connections() {
    let (client, _server, network) = served();
    let begin = tokio::time::Instant::now();
    let asked: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { ask(&client, asking("/slow")).await })
        })
        .collect();
    for asked in asked {
        assert_eq!(asked.await.expect("no panic"), "slow");
    }
    assert!(begin.elapsed() < Duration::from_millis(300), "{:?}", begin.elapsed());
    let dials = network.stats().dials;
    assert!((1..=3).contains(&dials), "{dials} dials for 100 requests");
}
