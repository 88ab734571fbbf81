//! Requests in early data (0-RTT, RFC 8470), on quinn, which alone has it here.
//!
//! The network is simulated, and far: what is early is so by the clock. Over loopback the handshake
//! may have ended when the server comes to look at what came before.

use std::convert::Infallible;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dipole::net::{
    DialOptions, Dialer, ListenOptions, ReceiveStreamExt, SendStreamExt, TlsOptions,
};
use dipole::quinn::Quinn;
use dipole::sim::{Config, Network, Simulation};
use dipole::tls::ServerTls;
use dipole::{Body, Client, ClientConfig, HttpService, ProtocolChoice, ResponseExt};
use dipole::{Server, ServerHandle};
use http::{Request, Response, StatusCode};
use tokio::time::sleep;

use crate::certified;
use crate::sockets::SimSockets;

const SERVER: &str = "10.0.0.1";
const CLIENT: &str = "10.0.0.2";
const URL: &str = "https://10.0.0.1/";

/// From one host to the other.
const LATENCY: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(20);

/// What the service has been asked, so often.
#[derive(Clone, Default)]
struct Asked {
    early: Arc<AtomicU64>,
    all: Arc<AtomicU64>,
}

/// What the service does with what came early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Early {
    Answered,
    /// With 425.
    Refused,
}

/// A server that takes early data, and a client that sends it; the client's connections end soon.
struct Site {
    network: Network,
    server: ServerHandle,
    client: Client,
    /// The client's network library.
    library: Quinn,
    asked: Asked,
    /// For another server of the same name, which knows nothing of the sessions of that one.
    another: ServerTls,
}

impl Site {
    fn new(network: Network, early: Early) -> Self {
        let (tls, another, trusting) = certified(SERVER);
        let asked = Asked::default();
        let noting = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let is_early = request.headers().get("early-data").is_some_and(|value| value == "1");
            noting.all.fetch_add(1, Ordering::Relaxed);
            noting.early.fetch_add(u64::from(is_early), Ordering::Relaxed);
            let mut response = Response::new(Body::from(if is_early { "early" } else { "late" }));
            if is_early && early == Early::Refused {
                *response.status_mut() = StatusCode::TOO_EARLY;
            }
            async move { Ok::<_, Infallible>(response) }
        });
        let server = serve(&network, tls.clone(), service);
        let library = Quinn::new(tls, trusting.clone()).over(SimSockets::new(&network, CLIENT));
        let mut config = ClientConfig::default();
        config.protocol = ProtocolChoice::Http3;
        config.http3.early_data = true;
        config.idle_timeout = Duration::from_secs(1);
        let builder = Client::builder().with_dialer(network.clone()).with_tls(trusting);
        let client = builder.with_stream_dialer(library.clone()).config(config).build();
        Self { network, server, client, library, asked, another }
    }

    /// The client gets to know the server, and its connection ends.
    async fn acquaint(&self) {
        let response = self.client.get(URL).send().await.expect("a response");
        assert_eq!(response.text().await.expect("whole"), "late");
        // The ticket came with the handshake's end; the connection goes with the client's idle time.
        while self.server.stats().open_connections > 0 {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A server that takes early data.
fn serve(network: &Network, tls: ServerTls, service: impl HttpService) -> ServerHandle {
    let library = Quinn::server(tls).over(SimSockets::new(network, SERVER));
    let mut options = ListenOptions::default();
    options.streams.early_data = true;
    let addr = format!("{SERVER}:443");
    let server = Server::new(service).listen_with(addr.as_str(), library, options);
    server.spawn().expect("a free port")
}

/// Runs a scenario in which the client knows the server.
fn acquainted<F: Future<Output = ()>>(early: Early, scenario: impl FnOnce(Site) -> F) {
    let mut config = Config::default();
    config.latency = LATENCY;
    Simulation::new(config).run(|network| async move {
        let site = Site::new(network, early);
        site.acquaint().await;
        scenario(site).await;
    });
}

#[test]
fn a_safe_request_goes_early_to_a_server_that_is_known_and_is_marked() {
    acquainted(Early::Answered, |site| async move {
        let response = site.client.get(URL).send().await.expect("a response");
        assert_eq!(response.text().await.expect("whole"), "early");
        assert_eq!(site.asked.early.load(Ordering::Relaxed), 1);
        assert_eq!(site.server.stats().connections, 2);
    });
}

#[test]
fn what_changes_something_or_has_a_body_waits_for_the_handshake() {
    acquainted(Early::Answered, |site| async move {
        let response = site.client.post(URL).body("change").send().await;
        let response = response.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.expect("whole"), "late");
        assert_eq!(site.asked.early.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_request_that_is_refused_as_too_early_is_sent_again_after_the_handshake() {
    acquainted(Early::Refused, |site| async move {
        let response = site.client.get(URL).send().await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.expect("whole"), "late");
        let (early, all) = (&site.asked.early, &site.asked.all);
        assert_eq!((early.load(Ordering::Relaxed), all.load(Ordering::Relaxed)), (1, 3));
    });
}

#[test]
fn early_data_that_the_server_does_not_take_is_sent_again() {
    acquainted(Early::Answered, |site| async move {
        site.network.crash(SERVER);
        site.network.restart(SERVER);
        // Another one in its place.
        let service = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::from("another")))
        });
        let _another = serve(&site.network, site.another, service);
        let response = site.client.get(URL).send().await.expect("a response");
        assert_eq!(response.text().await.expect("whole"), "another");
    });
}

/// POST to `/` of `a`, by the static table (RFC 9204 appendix A).
const POST: &[u8] = &[0x01, 0x08, 0x00, 0x00, 0xd4, 0xd7, 0xc1, 0x50, 0x01, b'a'];
/// `:status: 425`, by the static table: 70.
const TOO_EARLY: &[u8] = &[0xff, 0x07];

#[test]
fn a_request_that_changes_something_is_refused_when_it_comes_early() {
    acquainted(Early::Answered, |site| async move {
        let mut options = DialOptions::default();
        let mut tls = TlsOptions::new(SERVER);
        tls.alpn = vec![Bytes::from_static(b"h3")];
        options.tls = Some(tls);
        options.streams.early_data = true;
        let addr = &site.server.local_addrs()[0];
        let connection = site.library.dial_connection(addr, &options).await.expect("a connection");
        let conn = connection.into_streams().expect("of streams");
        let mut stream = conn.open_stream().expect("credit that is remembered");
        stream.send.write_all(POST).await.expect("taken");
        stream.send.close().await.expect("taken");
        let answer = stream.receive.read_to_end(1000).await.expect("an answer");
        assert!(answer.windows(2).any(|two| two == TOO_EARLY), "{answer:?}");
        conn.handshake_complete().await.expect("a handshake");
        // The same again, now that it has ended, comes to the service.
        let mut stream = conn.open_stream().expect("credit");
        stream.send.write_all(POST).await.expect("taken");
        stream.send.close().await.expect("taken");
        let answer = stream.receive.read_to_end(1000).await.expect("an answer");
        assert!(answer.ends_with(b"late"), "{answer:?}");
        assert_eq!(site.asked.all.load(Ordering::Relaxed), 2);
    });
}
