//! What is told of requests, on both ends, over the simulated network.

mod support;

use std::time::Duration;

use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::{get, post};
use dipole_http::{Body, Client, ClientConfig, ProtocolChoice, Server, ServerHandle};
use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, ListenOptions, Listener,
    Result, Transport,
};
use dipole_observe::{ClientTelemetry, ServerTelemetry};
use dipole_sim::Network;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use support::{Recorded, Spans};

const SERVER: &str = "http.server.request";
const CLIENT: &str = "http.client.request";

/// A server and a client, both observed. Each test has a subscriber before it makes one: what is
/// first seen by a thread without any may count as unwanted for all threads.
///
/// They run on the test's own thread, as its recorder and its subscriber do.
struct Stage {
    client: Client,
    server: ServerHandle,
}

impl Stage {
    fn new() -> Self {
        let telemetry = ServerTelemetry::new().route(|request| {
            request.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned())
        });
        let app = Router::new()
            .route("/users/{id}", get(|| async { "a user" }))
            .route("/echo", post(|body: axum::body::Bytes| async { body }))
            .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }))
            .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(3))))
            .layer(telemetry);
        let network = Network::default();
        let server = Server::new(app)
            .expose_connection_info()
            .listen("alpha:80", network.clone())
            .spawn()
            .expect("it listens");
        let client = Client::builder().with_dialer(network).build();
        Self { client: client.layer(ClientTelemetry::new()), server }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, usize) {
        let response = self.client.request(request).await.expect("a response");
        let status = response.status();
        (status, response.into_body().collect().await.expect("a body").to_bytes().len())
    }

    async fn end(self) {
        drop(self.client);
        let _ = self.server.shutdown(Duration::from_secs(1)).await;
    }
}

fn request(path: &str) -> Request<Body> {
    let uri = format!("http://alpha/{path}");
    Request::get(uri).header("user-agent", "test/1").body(Body::empty()).expect("a request")
}

#[tokio::test(start_paused = true)]
async fn both_ends_tell_of_a_request_what_the_conventions_ask_for() {
    let (recorded, spans) = (Recorded::default(), Spans::default());
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let _subscriber = tracing::subscriber::set_default(spans.clone());
    let stage = Stage::new();
    assert_eq!(stage.send(request("users/7?x=1")).await, (StatusCode::OK, 6));
    stage.end().await;

    for (field, value) in [
        ("otel.kind", "server"),
        ("otel.name", "GET /users/{id}"),
        ("http.request.method", "GET"),
        ("http.route", "/users/{id}"),
        ("url.path", "/users/7"),
        ("url.query", "x=1"),
        ("url.scheme", "http"),
        ("server.address", "alpha"),
        ("user_agent.original", "test/1"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "6"),
        ("dipole.network", "sim"),
    ] {
        assert_eq!(spans.field(SERVER, field).as_deref(), Some(value), "{field}");
    }
    assert_eq!(spans.field(SERVER, "error.type"), None);
    assert!(spans.field(SERVER, "network.peer.address").is_some());
    for (field, value) in [
        ("otel.kind", "client"),
        ("otel.name", "GET"),
        ("url.full", "http://alpha/users/7?x=1"),
        ("server.address", "alpha"),
        ("server.port", "80"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("http.response.body.size", "6"),
        ("dipole.network", "sim"),
        ("network.peer.address", "alpha:80"),
    ] {
        assert_eq!(spans.field(CLIENT, field).as_deref(), Some(value), "{field}");
    }

    let (key, sizes) = recorded.one("http.server.response.body.size", &[]);
    assert_eq!(sizes, [6.0]);
    let labels = "{dipole.network=sim,http.request.method=GET,http.response.status_code=200,\
                  http.route=/users/{id},network.protocol.version=1.1,url.scheme=http}";
    assert_eq!(key, format!("http.server.response.body.size{labels}"));
    let (key, durations) = recorded.one("http.client.request.duration", &[]);
    assert_eq!(durations.len(), 1);
    let labels = "{dipole.network=sim,http.request.method=GET,http.response.status_code=200,\
                  network.protocol.version=1.1,server.address=alpha,server.port=80}";
    assert_eq!(key, format!("http.client.request.duration{labels}"));
    for side in ["server", "client"] {
        let (_, active) = recorded.one(&format!("http.{side}.active_requests"), &[]);
        assert_eq!(active, [1.0, 0.0], "{side}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_lasts_until_its_response_has_passed_and_its_size_is_told() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let _subscriber = tracing::subscriber::set_default(Spans::default());
    let stage = Stage::new();
    let mut upload = request("echo");
    *upload.method_mut() = http::Method::POST;
    *upload.body_mut() = Body::full("x".repeat(1000));
    upload.headers_mut().insert("content-length", 1000.into());
    assert_eq!(stage.send(upload).await, (StatusCode::OK, 1000));
    assert_eq!(stage.send(request("slow")).await, (StatusCode::OK, 0));
    stage.end().await;

    let (_, sizes) = recorded.one("http.server.request.body.size", &["/echo"]);
    assert_eq!(sizes, [1000.0]);
    let (_, seconds) = recorded.one("http.server.request.duration", &["/slow"]);
    assert!((3.0..3.5).contains(&seconds[0]), "{seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let (recorded, spans) = (Recorded::default(), Spans::default());
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let _subscriber = tracing::subscriber::set_default(spans.clone());
    let stage = Stage::new();
    assert_eq!(stage.send(request("broken")).await.0, StatusCode::BAD_GATEWAY);
    recorded.one("http.server.request.duration", &["error.type=502", "status_code=502"]);
    recorded.one("http.client.request.duration", &["error.type=502", "status_code=502"]);
    assert_eq!(spans.field(SERVER, "otel.status_code").as_deref(), Some("ERROR"));

    // What a client asked for wrongly is no failure of the server's.
    assert_eq!(stage.send(request("nowhere")).await.0, StatusCode::NOT_FOUND);
    let (key, _) = recorded.one("http.server.request.duration", &["status_code=404"]);
    assert!(!key.contains("error.type"), "{key}");
    recorded.one("http.client.request.duration", &["error.type=404"]);

    let nobody = Request::get("http://nobody/").body(Body::empty()).expect("a request");
    stage.client.request(nobody).await.expect_err("nobody is there");
    recorded.one("http.client.request.duration", &["error.type=connect", "server.address=nobody"]);
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_ends_as_cancelled_on_both_sides() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let _subscriber = tracing::subscriber::set_default(Spans::default());
    let stage = Stage::new();
    let sent = stage.client.request(request("slow"));
    tokio::time::timeout(Duration::from_secs(1), sent).await.expect_err("it takes longer");
    // The server sees that its client has gone, and drops the handler.
    tokio::time::sleep(Duration::from_secs(1)).await;
    recorded.one("http.client.request.duration", &["error.type=cancelled"]);
    recorded.one("http.server.request.duration", &["error.type=cancelled", "/slow"]);
    for side in ["server", "client"] {
        let (_, active) = recorded.one(&format!("http.{side}.active_requests"), &[]);
        assert_eq!(active, [1.0, 0.0], "{side}");
    }
    stage.end().await;
}

/// One server over three libraries, under their own names; one client over two.
#[tokio::test(start_paused = true)]
async fn each_request_is_counted_under_the_library_of_its_connection() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let _subscriber = tracing::subscriber::set_default(Spans::default());
    let network = Network::default();
    let streams = network.streams().protocols(["h3"]);
    let app = Router::new().route("/", get(|| async { "hello" })).layer(ServerTelemetry::new());
    let server = Server::new(app)
        .expose_connection_info()
        .listen("alpha:80", Named("one", network.clone()))
        .listen("beta:80", Named("two", network.clone()))
        .listen("gamma:443", streams.clone())
        .spawn()
        .expect("it listens");
    let named = Named("three", network);
    let client = |protocol| {
        let mut config = ClientConfig::default();
        config.protocol = protocol;
        let builder = Client::builder().with_dialer(named.clone()).config(config);
        builder.with_stream_dialer(streams.clone()).build().layer(ClientTelemetry::new())
    };
    for (url, protocol) in [
        ("http://alpha/", ProtocolChoice::Http1),
        ("http://beta/", ProtocolChoice::Http2),
        ("https://gamma/", ProtocolChoice::Http3),
    ] {
        let request = Request::get(url).body(Body::empty());
        let response = client(protocol).request(request.expect("a request")).await;
        let body = response.expect("a response").into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes(), "hello");
    }
    for (version, server, client) in
        [("1.1", "one", "three"), ("2", "two", "three"), ("3", "sim-streams", "sim-streams")]
    {
        let version = format!("network.protocol.version={version}");
        for (side, library) in [("server", server), ("client", client)] {
            let name = format!("http.{side}.request.duration");
            recorded.one(&name, &[&version, &format!("dipole.network={library},")]);
        }
    }
    let _ = server.shutdown(Duration::from_secs(1)).await;
}

/// The simulated network under another name.
#[derive(Clone)]
struct Named(&'static str, Network);

impl Transport for Named {
    fn name(&self) -> &'static str {
        self.0
    }
    fn capabilities(&self) -> Capabilities {
        Transport::capabilities(&self.1)
    }
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        self.1.listen(addr, options)
    }
}

impl Dialer for Named {
    fn name(&self) -> &'static str {
        self.0
    }
    fn capabilities(&self) -> Capabilities {
        Dialer::capabilities(&self.1)
    }
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        self.1.dial_connection(addr, options)
    }
}
