//! Many servers behind one client, over the simulated network.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use dipole_balance::discover::{self, Found, Lookup, Polled, Rhythm};
use dipole_balance::register::{Departure, Health, Registration, leave};
use dipole_balance::{Balance, NoEndpoint};
use dipole_http::{Body, BoxError, Client, ClientErrorKind, Drained, Server, ServerHandle};
use dipole_net::{Addr, BoxFuture};
use dipole_sim::Network;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep};
use tower_layer::Layer as _;

/// What a server answers with.
#[derive(Clone)]
struct Mood {
    name: &'static str,
    status: Arc<AtomicU16>,
    delay: Duration,
}

/// A server that says its name.
struct Site {
    server: ServerHandle,
    mood: Mood,
    health: Health,
}

impl Site {
    fn start(network: &Network, name: &'static str) -> Self {
        Self::start_slow(network, name, Duration::ZERO)
    }

    fn start_slow(network: &Network, name: &'static str, delay: Duration) -> Self {
        let mood = Mood { name, status: Arc::new(AtomicU16::new(200)), delay };
        let answer = |State(mood): State<Mood>| async move {
            sleep(mood.delay).await;
            let status = mood.status.load(Ordering::Relaxed);
            (StatusCode::from_u16(status).expect("a status"), mood.name)
        };
        let health = Health::at("/healthz");
        let app = Router::new().route("/", get(answer)).with_state(mood.clone());
        let server = Server::new(health.layer(app))
            .listen(addr(name), network.clone())
            .spawn()
            .expect("it listens");
        Self { server, mood, health }
    }

    fn answer_with(&self, status: u16) {
        self.mood.status.store(status, Ordering::Relaxed);
    }

    async fn stop(&self) {
        let _ = self.server.shutdown(Duration::ZERO).await;
    }
}

fn addr(name: &str) -> Addr {
    Addr::host(name, 80)
}

fn client(network: &Network) -> Client {
    Client::builder().with_dialer(network.clone()).build()
}

async fn ask_for(client: &Client, path: &str) -> Result<(StatusCode, String), BoxError> {
    let uri = format!("http://service{path}");
    let request = Request::get(uri).body(Body::empty())?;
    let response = client.request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// How many of `count` requests each server answered; all have to be answered.
async fn spread(client: &Client, count: usize) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let (status, name) = ask_for(client, "/").await.expect("an answer");
        assert_eq!(status, StatusCode::OK, "{name}");
        *answers.entry(name).or_default() += 1;
    }
    answers
}

fn names(answers: &BTreeMap<String, usize>) -> Vec<&str> {
    answers.keys().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_are_spread_over_all_endpoints_of_a_list() {
    let network = Network::default();
    let _sites = ["a", "b", "c"].map(|name| Site::start(&network, name));
    let client = client(&network).layer(Balance::over(discover::fixed(["a", "b", "c"].map(addr))));
    let answers = spread(&client, 300).await;
    assert_eq!(names(&answers), ["a", "b", "c"]);
    assert!(answers.values().all(|count| *count > 30), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_endpoint_gets_less() {
    let network = Network::default();
    let _fast = ["a", "b"].map(|name| Site::start_slow(&network, name, Duration::from_millis(1)));
    let _slow = Site::start_slow(&network, "c", Duration::from_millis(300));
    let client = client(&network).layer(Balance::over(discover::fixed(["a", "b", "c"].map(addr))));
    let answers = spread(&client, 300).await;
    let slow = answers.get("c").copied().unwrap_or_default();
    assert!(slow < 30, "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_a_server_costs_no_request_and_comes_back() {
    let network = Network::default();
    let _site = Site::start(&network, "a");
    let client = client(&network).layer(Balance::over(discover::fixed(["a", "b"].map(addr))));
    assert_eq!(names(&spread(&client, 50).await), ["a"]);
    let _late = Site::start(&network, "b");
    sleep(Duration::from_secs(61)).await;
    assert_eq!(names(&spread(&client, 100).await), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_answers_503_is_left_out_for_a_while() {
    let network = Network::default();
    let sites = ["a", "b"].map(|name| Site::start(&network, name));
    let client = client(&network).layer(Balance::over(discover::fixed(["a", "b"].map(addr))));
    spread(&client, 20).await;
    sites[0].answer_with(503);
    let mut failed = 0;
    for _ in 0..100 {
        let (status, _) = ask_for(&client, "/").await.expect("an answer");
        failed += usize::from(status == StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(failed, 5, "as many as an ejection takes");
    sites[0].answer_with(200);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(names(&spread(&client, 100).await), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn endpoints_come_and_go_as_they_are_published() {
    let network = Network::default();
    let sites = ["a", "b"].map(|name| Site::start(&network, name));
    let (publisher, published) = discover::published();
    let client = client(&network).layer(Balance::over(published));
    // A request that comes before the first endpoint waits for it.
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { ask_for(&client, "/").await.map(|(_, name)| name) }
    });
    sleep(Duration::from_secs(1)).await;
    publisher.publish([addr("a")]);
    assert_eq!(waiting.await.expect("it ends").expect("an answer"), "a");
    publisher.publish([addr("a"), addr("b")]);
    assert_eq!(names(&spread(&client, 50).await), ["a", "b"]);
    publisher.publish([addr("b")]);
    sites[0].stop().await;
    assert_eq!(names(&spread(&client, 50).await), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_an_endpoint_no_longer_than_its_patience() {
    let network = Network::default();
    let (_publisher, published) = discover::published();
    let patience = Duration::from_millis(700);
    let client = client(&network).layer(Balance::over(published).patience(patience));
    let begin = Instant::now();
    let both = tokio::join!(ask_for(&client, "/"), ask_for(&client, "/"));
    assert_eq!(begin.elapsed(), patience);
    for ended in [both.0, both.1] {
        let error = ended.expect_err("nobody is there");
        let error = error.downcast_ref::<dipole_http::ClientError>().expect("the client's error");
        assert_eq!(error.kind(), ClientErrorKind::Layer);
        let source = std::error::Error::source(error).expect("why");
        assert!(source.downcast_ref::<NoEndpoint>().is_some(), "{source:?}");
    }
}

/// Answers in turn; the last one stays.
struct Script {
    answers: std::sync::Mutex<Vec<Result<&'static [&'static str], ()>>>,
}

impl Lookup for Script {
    fn look_up(&self) -> BoxFuture<'static, Result<Found, BoxError>> {
        let mut answers = self.answers.lock().expect("no panic");
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Box::pin(async move {
            let endpoints = answer.map_err(|()| BoxError::from("the registry is down"))?;
            let endpoints = endpoints.iter().map(|name| addr(name)).collect();
            Ok(Found { endpoints, valid_for: Duration::from_secs(10) })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_known_stands_while_nobody_answers() {
    let network = Network::default();
    let _sites = ["a", "b"].map(|name| Site::start(&network, name));
    let answers = vec![Ok(&["a"][..]), Err(()), Err(()), Ok(&["b"][..])].into();
    let polled = Polled::new(Script { answers }, Rhythm::default());
    let client = client(&network).layer(Balance::over(polled));
    assert_eq!(names(&spread(&client, 5).await), ["a"]);
    // What was said stands for 10 s, then two questions fail, 1 s and 2 s apart.
    for seconds in [11, 1] {
        sleep(Duration::from_secs(seconds)).await;
        assert_eq!(names(&spread(&client, 5).await), ["a"]);
    }
    sleep(Duration::from_secs(3)).await;
    spread(&client, 5).await;
    assert_eq!(names(&spread(&client, 5).await), ["b"]);
}

/// Publishes until it is taken back.
struct Entry {
    publisher: discover::Publisher,
    others: Vec<Addr>,
}

impl Registration for Entry {
    fn deregister(self: Box<Self>) -> BoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            self.publisher.publish(self.others);
            Ok(())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_loses_no_request() {
    let network = Network::default();
    let sites = ["a", "b"].map(|name| Site::start(&network, name));
    let (publisher, published) = discover::published();
    publisher.publish([addr("a"), addr("b")]);
    let client = client(&network).layer(Balance::over(published));
    assert_eq!(ask_health(&network, "a").await, (StatusCode::OK, "serving\n".into()));

    let entry = Entry { publisher, others: vec![addr("b")] };
    let left =
        leave(&sites[0].server, Box::new(entry), Some(&sites[0].health), Departure::default());
    let load = async {
        assert_eq!(names(&spread(&client, 100).await), ["b"]);
        // It still serves, and says to who asks that it will not for long.
        let health = ask_health(&network, "a").await;
        assert_eq!(health, (StatusCode::SERVICE_UNAVAILABLE, "leaving\n".into()));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(names(&spread(&client, 100).await), ["b"]);
        Ok::<_, Infallible>(())
    };
    let (left, _) = tokio::join!(left, load);
    assert_eq!(left.expect("the registry was told"), Drained::Whole);
}

async fn ask_health(network: &Network, name: &str) -> (StatusCode, String) {
    let client = Client::builder().with_dialer(network.clone()).address(addr(name)).build();
    ask_for(&client, "/healthz").await.expect("an answer")
}
