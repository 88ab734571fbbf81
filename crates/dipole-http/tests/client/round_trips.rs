//! The client and the server of this crate, on networks that are hard to live with.

use bytes::Bytes;
use dipole_http::{Body, Client, Server};
use dipole_sim::{Config, Network};
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

async fn echo(request: Request<Body>) -> Result<Response<Body>, std::convert::Infallible> {
    let mut response = Response::new(Body::empty());
    if let Some(length) = request.headers().get("content-length") {
        response.headers_mut().insert("x-length", length.clone());
    }
    *response.body_mut() = request.into_body();
    Ok(response)
}

fn near(config: Config) -> (Client, dipole_http::ServerHandle) {
    let network = Network::new(config);
    let server = Server::new(tower::service_fn(echo)).listen("far:80", network.clone());
    let server = server.spawn().expect("nobody listens there");
    (Client::builder().with_dialer(network).build(), server)
}

#[tokio::test(start_paused = true)]
async fn bodies_of_all_sizes_come_back() {
    for seed in 0..5 {
        let (client, _server) = near(Config::rough(seed));
        for size in [0, 1, 5, 1000, 4096, 65_535, 65_536, 65_537, 1 << 20] {
            let data = Bytes::from((0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>());
            let request = Request::post("http://far/").body(Body::from(data.clone()));
            let response = client.request(request.expect("a request")).await.expect("a response");
            assert_eq!(response.headers()["x-length"], size.to_string());
            let back = response.into_body().collect().await.expect("a whole body").to_bytes();
            assert!(back == data, "{size}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_a_tower_service() {
    let (mut client, _server) = near(Config::default());
    let request = Request::put("http://far/").body(Body::from("hello")).expect("a request");
    let ready = ServiceExt::<Request<Body>>::ready(&mut client).await.expect("ready");
    let response = ready.call(request).await.expect("a response");
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    assert_eq!(body, "hello");
}

#[tokio::test(start_paused = true)]
async fn many_at_once() {
    let (client, _server) = near(Config::rough(7));
    let tasks: Vec<_> = (0..50)
        .map(|number: u32| {
            let client = client.clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let text = format!("{number} {round}");
                    let request = Request::post("http://far/").body(Body::from(text.clone()));
                    let response = client.request(request.expect("a request")).await;
                    let body = response.expect("a response").into_body().collect().await;
                    assert_eq!(body.expect("a whole body").to_bytes(), text);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}
