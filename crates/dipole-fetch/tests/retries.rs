//! What is sent again, and what is not, on the simulated network.

use std::future::poll_fn;
use std::time::Duration;

use dipole_fetch::Retries;
use dipole_http::{Body, Client, ClientError, ClientErrorKind, ResponseExt as _};
use dipole_net::{Conn, ConnExt as _, ListenOptions, Listener, Transport as _};
use dipole_sim::{Config, Network};
use http::{Method, Request, Response};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";

struct World {
    network: Network,
    client: Client,
}

impl World {
    fn with(retries: Retries) -> Self {
        let network = Network::new(Config::default());
        let client = Client::builder().with_dialer(network.clone()).build().layer(retries);
        Self { network, client }
    }

    fn listen(&self) -> Box<dyn Listener> {
        let addr = "far:80".parse().expect("an address");
        let listeners = self.network.listen(&addr, &ListenOptions::default());
        listeners.expect("nobody listens there").pop().expect("one for a shard")
    }

    fn ask(&self, method: Method, body: Body) -> JoinHandle<Result<Response<Body>, ClientError>> {
        let request = Request::builder().method(method).uri("http://far/").body(body);
        let (client, request) = (self.client.clone(), request.expect("a request"));
        tokio::spawn(async move { client.request(request).await })
    }
}

async fn accept(listener: &mut Box<dyn Listener>) -> Box<dyn Conn> {
    let accepted = timeout(Duration::from_secs(1000), poll_fn(|cx| listener.poll_accept(cx))).await;
    let connection = accepted.expect("the client dials").expect("no fault").accept().await;
    connection.expect("no handshake").into_bytes().expect("a byte stream")
}

/// Takes a request, and answers so, or closes.
async fn answer(conn: &mut dyn Conn, with: Option<&str>) {
    while !conn.buffered().ends_with(b"\r\n\r\n") && !conn.buffered().ends_with(b"hello") {
        conn.peek(conn.len() + 1).await.expect("a request comes");
    }
    conn.skip(conn.len()).expect("it is held");
    match with {
        Some(text) => conn.write_all(text.as_bytes()).await.expect("the client is there"),
        None => conn.close(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_on_the_same_connection() {
    let world = World::with(Retries::default());
    let mut listener = world.listen();
    let begun = Instant::now();
    let asked = world.ask(Method::PUT, Body::from("hello"));
    let mut conn = accept(&mut listener).await;
    answer(&mut *conn, Some(BUSY)).await;
    answer(&mut *conn, Some(BUSY)).await;
    answer(&mut *conn, Some(OK)).await;
    let response = asked.await.expect("no panic").expect("a response");
    assert_eq!(response.text().await.expect("text"), "hi");
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(100) && waited < Duration::from_secs(2), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn there_are_no_more_tries_than_allowed_and_the_last_answer_is_given() {
    let world = World::with(Retries::at_most(1));
    let mut listener = world.listen();
    let asked = world.ask(Method::GET, Body::empty());
    let mut conn = accept(&mut listener).await;
    answer(&mut *conn, Some(BUSY)).await;
    answer(&mut *conn, Some(BUSY)).await;
    let response = asked.await.expect("no panic").expect("a response");
    assert_eq!(response.status(), 503);
    assert_eq!(response.text().await.expect("it was not read away"), "busy");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_may_have_acted_on_is_sent_again_only_where_that_does_no_harm() {
    for (method, key, again) in [
        (Method::GET, false, true),
        (Method::DELETE, false, true),
        (Method::POST, false, false),
        (Method::POST, true, true),
    ] {
        let world = World::with(Retries::at_most(1));
        let mut listener = world.listen();
        let mut request = world.client.ask(method.clone(), "http://far/");
        if key {
            request = request.header("idempotency-key", "1");
        }
        let (client, request) = (world.client.clone(), request.build().expect("a request"));
        let asked = tokio::spawn(async move { client.request(request).await });
        let mut conn = accept(&mut listener).await;
        answer(&mut *conn, None).await;
        if again {
            let mut conn = accept(&mut listener).await;
            answer(&mut *conn, Some(OK)).await;
            asked.await.expect("no panic").expect("a response");
        } else {
            let error = asked.await.expect("no panic").expect_err("it is not sent again");
            assert_eq!(error.kind(), ClientErrorKind::Connection, "{method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_left_is_sent_again_whatever_its_method() {
    let world =
        World::with(Retries::default().wait(Duration::from_secs(1), Duration::from_secs(9)));
    let asked = world.ask(Method::POST, Body::from("hello"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut listener = world.listen();
    let mut conn = accept(&mut listener).await;
    answer(&mut *conn, Some(OK)).await;
    asked.await.expect("no panic").expect("a response");
}

#[tokio::test(start_paused = true)]
async fn it_waits_as_long_as_the_server_says_but_not_for_ever() {
    let wait = Duration::from_millis(1);
    let world = World::with(Retries::default().wait(wait, Duration::from_secs(5)));
    let mut listener = world.listen();
    let begun = Instant::now();
    let asked = world.ask(Method::GET, Body::empty());
    let mut conn = accept(&mut listener).await;
    let busy = |seconds| {
        format!("HTTP/1.1 429 Slow Down\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
    };
    answer(&mut *conn, Some(&busy(5))).await;
    answer(&mut *conn, Some(&busy(6))).await;
    let response = asked.await.expect("no panic").expect("the answer itself");
    assert_eq!(response.status(), 429);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(6), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn when_all_fails_the_budget_bounds_the_retries() {
    let quick = Duration::from_millis(1);
    let world = World::with(Retries::at_most(100).wait(quick, quick).budget(1, 0.0));
    // Nobody listens: each try fails at once.
    let begun = Instant::now();
    let error = world.ask(Method::GET, Body::empty()).await.expect("no panic");
    assert_eq!(error.expect_err("nobody listens").kind(), ClientErrorKind::Connect);
    // One a second over ten seconds is ten, and not a hundred.
    assert!(begun.elapsed() < Duration::from_millis(50), "{:?}", begun.elapsed());
}
