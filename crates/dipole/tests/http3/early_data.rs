//! Requests in early data (0-RTT, RFC 8470), on quinn, which alone has it here.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dipole::net::{
    DialOptions, Dialer, ListenOptions, ReceiveStreamExt, SendStreamExt, TlsOptions,
};
use dipole::quinn::Quinn;
use dipole::{Body, ResponseExt, Server};
use http::{Request, Response, StatusCode};
use tokio::time::{sleep, timeout};

use crate::{PATIENCE, Site, site};

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
fn early_site(early: Early) -> (Site<Quinn>, Asked) {
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
    let mut options = ListenOptions::default();
    options.streams.early_data = true;
    let site = site(Quinn::new, service, options, |config| {
        config.http3.early_data = true;
        config.idle_timeout = Duration::from_millis(50);
    });
    (site, asked)
}

/// Gets to know the server, and lets the connection end.
async fn acquaint(site: &Site<Quinn>) {
    let response = site.client.get(&site.url).send().await.expect("a response");
    assert_eq!(response.text().await.expect("whole"), "late");
    // The ticket came with the handshake's end; the connection goes with the client's idle time.
    while site.server.stats().open_connections > 0 {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_safe_request_goes_early_to_a_server_that_is_known_and_is_marked() {
    let test = async {
        let (site, asked) = early_site(Early::Answered);
        acquaint(&site).await;
        let response = site.client.get(&site.url).send().await.expect("a response");
        assert_eq!(response.text().await.expect("whole"), "early");
        assert_eq!(asked.early.load(Ordering::Relaxed), 1);
        assert_eq!(site.server.stats().connections, 2);
    };
    timeout(PATIENCE, test).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_or_has_a_body_waits_for_the_handshake() {
    let test = async {
        let (site, asked) = early_site(Early::Answered);
        acquaint(&site).await;
        let response = site.client.post(&site.url).body("change").send().await;
        let response = response.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.expect("whole"), "late");
        assert_eq!(asked.early.load(Ordering::Relaxed), 0);
    };
    timeout(PATIENCE, test).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_as_too_early_is_sent_again_after_the_handshake() {
    let test = async {
        let (site, asked) = early_site(Early::Refused);
        acquaint(&site).await;
        let response = site.client.get(&site.url).send().await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.expect("whole"), "late");
        let counts = (asked.early.load(Ordering::Relaxed), asked.all.load(Ordering::Relaxed));
        assert_eq!(counts, (1, 3));
    };
    timeout(PATIENCE, test).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn early_data_that_the_server_does_not_take_is_sent_again() {
    let test = async {
        let (site, _) = early_site(Early::Answered);
        acquaint(&site).await;
        let addr = site.server.local_addrs()[0].clone();
        let _ = site.server.shutdown(Duration::from_secs(10)).await;
        // Another one in its place.
        let service = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::from("another")))
        });
        let mut options = ListenOptions::default();
        options.streams.early_data = true;
        let another = Quinn::server(site.another.clone());
        let server = Server::new(service).listen_with(addr, another, options);
        let _server = server.workers(1).start().expect("the port is free again");
        let response = site.client.get(&site.url).send().await.expect("a response");
        assert_eq!(response.text().await.expect("whole"), "another");
    };
    timeout(PATIENCE, test).await.expect("in time");
}

/// POST to `/` of `a`, by the static table (RFC 9204 appendix A).
const POST: &[u8] = &[0x01, 0x08, 0x00, 0x00, 0xd4, 0xd7, 0xc1, 0x50, 0x01, b'a'];
/// `:status: 425`, by the static table: 70.
const TOO_EARLY: &[u8] = &[0xff, 0x07];

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_changes_something_is_refused_when_it_comes_early() {
    let test = async {
        let (site, asked) = early_site(Early::Answered);
        acquaint(&site).await;
        let mut options = DialOptions::default();
        let mut tls = TlsOptions::new("127.0.0.1");
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
        assert_eq!(asked.all.load(Ordering::Relaxed), 2);
    };
    timeout(PATIENCE, test).await.expect("in time");
}
