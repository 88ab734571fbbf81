//! A request may be given up at any point: the server is told, and nothing is left of it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, BodyError, Client, ClientConfig, ProtocolChoice, Server};
use dipole_sim::{Config, Network};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::time::{sleep, timeout};

use crate::far::by_hand;

const SECOND: Duration = Duration::from_secs(1);
/// Pieces of a body each way, with a pause after each.
const PIECES: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);

/// Counts handlers that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends back what comes, as it comes.
fn answer(request: Request<Body>, alive: Alive) -> Response<Body> {
    let echoed =
        futures_util::stream::unfold((request.into_body(), alive), async |(mut body, alive)| {
            sleep(PAUSE).await;
            let data = body.frame().await?.ok()?.into_data().ok()?;
            Some((Ok::<_, BodyError>(Frame::data(data)), (body, alive)))
        });
    Response::new(Body::new(StreamBody::new(Box::pin(echoed))))
}

/// Sends pieces and reads what comes back, to its end.
async fn exchange(client: &Client, url: &str) {
    let (feed, body) = by_hand();
    let request = Request::post(url).body(body).expect("a request");
    let sending = async {
        for _ in 0..PIECES {
            // Who has given the request up takes no more.
            let _ = feed.send(Ok(Frame::data(Bytes::from_static(&[b'x'; 1000]))));
            sleep(PAUSE).await;
        }
        drop(feed);
    };
    let receiving = async {
        let response = client.request(request).await.expect("a response");
        response.into_body().collect().await.expect("a body").to_bytes()
    };
    let ((), body) = tokio::join!(sending, receiving);
    assert_eq!(body.len(), PIECES * 1000);
}

/// Polls `future` so often at most; true when it has ended.
async fn polled(future: impl Future<Output = ()>, times: usize) -> bool {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Gives a request up after each number of polls until one ends by itself. `before`: another one
/// has been answered, so that there is a connection already.
async fn give_up_everywhere(protocol: ProtocolChoice, url: &str, before: usize) {
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&alive);
    let service = tower::service_fn(move |request| {
        let alive = Alive::new(&counted);
        async { Ok::<_, Infallible>(answer(request, alive)) }
    });
    let mut world = Config::default();
    world.latency = Duration::from_millis(3)..=Duration::from_millis(3);
    let network = Network::new(world);
    let streams = network.streams().protocols(["h3"]);
    let server = Server::new(service)
        .listen("far:80", network.clone())
        .listen("far:443", streams.clone())
        .spawn()
        .expect("nobody listens there");
    let mut config = ClientConfig::default();
    config.protocol = protocol;
    config.max_connections_per_host = Some(1);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // Its accept loops have begun.
    sleep(SECOND).await;
    let idle = tasks();
    for polls in 1.. {
        let builder = Client::builder().with_dialer(network.clone());
        let client = builder.with_stream_dialer(streams.clone()).config(config.clone()).build();
        for _ in 0..before {
            exchange(&client, url).await;
        }
        let has_ended = polled(exchange(&client, url), polls).await;
        let what = format!("{protocol:?}, {before} before, {polls} polls");
        // Its handler is dropped, and what it had of the pool is free at once.
        sleep(SECOND).await;
        assert_eq!(alive.load(Ordering::Relaxed), 0, "a handler goes on: {what}");
        let next = timeout(SECOND, exchange(&client, url)).await;
        next.unwrap_or_else(|_| panic!("no room for the next one: {what}"));
        drop(client);
        sleep(SECOND).await;
        assert_eq!(network.stats().connections, 0, "a connection is left: {what}");
        assert_eq!(tasks(), idle, "a task is left: {what}");
        if has_ended {
            assert!(polls > PIECES, "it is given up in its midst, too");
            break;
        }
    }
    let _ = server.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_over_http1_that_is_given_up_anywhere_leaves_nothing() {
    for before in [0, 1] {
        give_up_everywhere(ProtocolChoice::Http1, "http://far/", before).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_over_http2_that_is_given_up_anywhere_leaves_nothing() {
    for before in [0, 1] {
        give_up_everywhere(ProtocolChoice::Http2, "http://far/", before).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_over_http3_that_is_given_up_anywhere_leaves_nothing() {
    for before in [0, 1] {
        give_up_everywhere(ProtocolChoice::Http3, "https://far/", before).await;
    }
}
