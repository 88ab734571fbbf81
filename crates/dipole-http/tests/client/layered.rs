//! Layers around a client.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dipole_http::{Body, Client, ClientErrorKind, ClientService, Deadline};
use http::{Request, Response};
use tower::ServiceExt as _;

use crate::far::{Near, OK, bad, configured, good, near_and_far, text};

fn layered(near: &Near, client: Client) -> Near {
    Near { client, network: near.network.clone() }
}

#[tokio::test(start_paused = true)]
async fn the_layer_that_is_put_on_last_sees_a_request_first() {
    let (near, mut far) = near_and_far();
    let name = |name: &'static str| {
        tower::layer::layer_fn(move |service: ClientService| {
            tower::service_fn(move |mut request: Request<Body>| {
                request.headers_mut().append("x-way", name.parse().expect("a value"));
                service.clone().oneshot(request)
            })
        })
    };
    let near = layered(&near, near.client.layer(name("inner")).layer(name("outer")));
    let asked = near.get();
    let mut conn = far.accept().await;
    conn.expect("GET / HTTP/1.1\r\nhost: far\r\nx-way: outer\r\nx-way: inner\r\n\r\n").await;
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_layered_client_shares_the_connections_of_the_first() {
    let (near, mut far) = near_and_far();
    let around = near.client.layer(tower::layer::layer_fn(|service: ClientService| service));
    let around = layered(&near, around);
    let asked = near.get();
    let mut conn = far.serve(OK).await;
    text(good(asked).await).await;
    let asked = around.get();
    conn.expect(crate::far::GET).await;
    conn.send(OK).await;
    text(good(asked).await).await;
    assert_eq!(near.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_client_stay_and_others_are_the_layers() {
    let (near, far) = near_and_far();
    drop(far);
    let same = near.client.layer(tower::layer::layer_fn(|service: ClientService| {
        // Its error is a box, as those of tower's own layers are.
        tower::timeout::Timeout::new(service, Duration::from_secs(1000))
    }));
    assert_eq!(bad(layered(&near, same).get()).await.kind(), ClientErrorKind::Connect);
    let other = near.client.layer(tower::layer::layer_fn(|_: ClientService| {
        tower::service_fn(|_: Request<Body>| async {
            Err::<Response<Body>, _>(std::io::Error::other("no"))
        })
    }));
    let error = bad(layered(&near, other).get()).await;
    assert_eq!(error.kind(), ClientErrorKind::Layer);
    assert!(error.to_string().contains("(no)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_request_spans_its_layers() {
    let (near, _far) = configured(|config| config.request_timeout = Some(Duration::from_secs(5)));
    let never = near.client.layer(tower::layer::layer_fn(|_: ClientService| {
        tower::service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        })
    }));
    let error = bad(layered(&near, never).get()).await;
    assert_eq!(error.deadline(), Some(Deadline::Request));
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_whether_a_body_is_all_there() {
    let (near, _far) = near_and_far();
    let held = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&held);
    let client = near.client.layer(tower::layer::layer_fn(move |_: ClientService| {
        let seen = Arc::clone(&seen);
        tower::service_fn(move |request: Request<Body>| {
            let length = request.body().held().map_or(usize::MAX, |held| held.len());
            seen.store(length, Ordering::Relaxed);
            async { Ok::<_, Infallible>(Response::new(Body::empty())) }
        })
    }));
    let near = layered(&near, client);
    good(near.method(http::Method::POST, Body::from("hello"))).await;
    assert_eq!(held.load(Ordering::Relaxed), 5);
    let (feed, body) = crate::far::by_hand();
    good(near.method(http::Method::POST, body)).await;
    assert_eq!(held.load(Ordering::Relaxed), usize::MAX);
    drop(feed);
}
