//! The client and the server, in virtual time on the simulated network.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_http::{
    Body, Client, ClientConfig, ClientErrorKind, Drained, ProtocolChoice, Server, ServerHandle,
};
use dipole_net::ListenOptions;
use dipole_sim::{Config, Network};
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use tokio::sync::Barrier;

use crate::far::read;

/// A server that gives back what it gets, after so long, and a client that asks it.
fn echoing(after: Duration, network: Config) -> (Client, ServerHandle, Network) {
    let service = tower::service_fn(move |request: Request<Body>| async move {
        let body = request.into_body().collect().await.map(|body| body.to_bytes());
        tokio::time::sleep(after).await;
        Ok::<_, Infallible>(Response::new(Body::full(body.unwrap_or_default())))
    });
    let network = Network::new(network);
    let streams = network.streams().protocols([Bytes::from_static(b"h3")]);
    let server = Server::new(service).listen("far:443", streams.clone());
    let server = server.spawn().expect("nobody listens there");
    let mut config = ClientConfig::default();
    config.protocol = ProtocolChoice::Http3;
    config.request_timeout = Some(Duration::from_secs(300));
    let builder = Client::builder().with_dialer(network.clone()).with_stream_dialer(streams);
    (builder.config(config).build(), server, network)
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect()
}

async fn echo(client: Client, body: Bytes) -> Result<(), String> {
    let request = Request::post("https://far/").body(Body::full(body.clone()));
    let response = client.request(request.expect("a request")).await.map_err(|e| e.to_string())?;
    assert_eq!(response.version(), Version::HTTP_3);
    let (echoed, _) = read(response).await.map_err(|error| error.to_string())?;
    assert!(echoed == body, "{} bytes came back as {}", body.len(), echoed.len());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_at_once_come_back_as_they_went() {
    let (client, _server, network) = echoing(Duration::from_secs(1), Config::default());
    let asked: Vec<_> =
        (0..1000).map(|at| tokio::spawn(echo(client.clone(), pattern(at)))).collect();
    for asked in asked {
        asked.await.expect("no panic").expect("a response");
    }
    // As many as the server's limit of streams asks for.
    let dials = network.stats().dials;
    assert!((2..=20).contains(&dials), "{dials}");
}

#[tokio::test(start_paused = true)]
async fn bodies_of_any_size_come_back_as_they_went() {
    let (client, _server, _) = echoing(Duration::ZERO, Config::default());
    for length in [0, 1, 63, 64, 16_383, 16_384, 65_536, 1 << 20, 5 << 20] {
        echo(client.clone(), pattern(length)).await.expect("a response");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_under_load_loses_no_request_that_it_has_begun() {
    let (client, server, _) = echoing(Duration::from_millis(300), Config::default());
    let asked: Vec<_> = (0..50).map(|_| tokio::spawn(echo(client.clone(), pattern(100)))).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Whole);
    for asked in asked {
        asked.await.expect("no panic").expect("a response");
    }
    let request = Request::get("https://far/").body(Body::empty()).expect("a request");
    let error = client.request(request).await.expect_err("nobody is there");
    assert_eq!(error.kind(), ClientErrorKind::Connect, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_of_one_connection_are_inside_their_handlers_at_the_same_moment() {
    let barrier = Arc::new(Barrier::new(1000));
    let service = tower::service_fn(move |_: Request<Body>| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok::<_, Infallible>(Response::new(Body::full("together")))
        }
    });
    let network = Network::new(Config::default());
    let streams = network.streams().protocols([Bytes::from_static(b"h3")]);
    let mut options = ListenOptions::default();
    options.streams.streams = 1000;
    let server = Server::new(service).listen_with("far:443", streams.clone(), options);
    let _server = server.spawn().expect("nobody listens there");
    let mut config = ClientConfig::default();
    config.protocol = ProtocolChoice::Http3;
    config.max_connections_per_host = Some(1);
    let builder = Client::builder().with_dialer(network.clone()).with_stream_dialer(streams);
    let client = builder.config(config).build();
    let asked: Vec<_> = (0..1000)
        .map(|_| {
            let client = client.clone();
            let request = Request::get("https://far/").body(Body::empty()).expect("a request");
            tokio::spawn(async move { client.request(request).await })
        })
        .collect();
    for asked in asked {
        let response = asked.await.expect("no panic").expect("a response");
        assert_eq!(read(response).await.expect("whole").0, "together");
    }
    assert_eq!(network.stats().dials, 1);
}
