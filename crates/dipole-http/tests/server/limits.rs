//! Limits of bodies, connections and requests.

use dipole_http::{Body, HttpService, Server, ServerConfig};
use dipole_net::{Conn, DialerExt};
use dipole_sim::Network;
use http::{Request, Response};
use tokio::time::{Instant, sleep};

use crate::support::{Calls, Peer, Site, by_hand, handler, ms, read_all, secs, settle, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

fn hello() -> impl HttpService {
    handler(async |_| text("hello"))
}

/// Answers with the length of the body.
fn lengths(calls: &Calls) -> impl HttpService + use<> {
    let calls = calls.clone();
    handler(move |request: Request<Body>| {
        calls.note("begun");
        let calls = calls.clone();
        async move {
            let (data, _) = read_all(request.into_body()).await.expect("a good body");
            calls.note("read");
            text(data.len().to_string())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_it_is_too_large_reaches_no_handler() {
    let calls = Calls::default();
    let site = Site::configured(lengths(&calls), |config| config.max_body_bytes = Some(1000));
    let mut peer = site.connect().await;
    let post =
        |length: usize| format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let fits = post(1000) + &"x".repeat(1000);
    peer.ask(fits).await.expect(200, &[("content-length", "4")], "1000");
    peer.ask(post(1001)).await.expect_refusal(413);
    peer.try_send("x".repeat(1001)).await;
    peer.expect_end().await;
    assert_eq!(calls.list(), ["begun", "read"]);
    assert_eq!(site.server.stats().rejected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_chunked_body_is_cut_where_it_becomes_too_large() {
    let calls = Calls::default();
    let site = Site::configured(lengths(&calls), |config| config.max_body_bytes = Some(1000));
    let mut peer = site.connect().await;
    let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let fits = format!("{head}{chunk}{chunk}0\r\n\r\n");
    peer.ask(fits).await.expect(200, &[("content-length", "4")], "1000");
    peer.send(format!("{head}{chunk}")).await;
    settle().await;
    peer.send(&chunk).await;
    peer.expect_silence(ms(100)).await;
    peer.ask("1\r\nx").await.expect_refusal(413);
    peer.expect_end().await;
    assert_eq!(calls.list(), ["begun", "read", "begun"]);
    let stats = site.server.stats();
    assert_eq!((stats.rejected, stats.cancelled), (1, 1));
}

/// The answer has begun: the reader of the body learns it.
#[tokio::test(start_paused = true)]
async fn a_body_that_becomes_too_large_while_the_answer_is_sent_fails_for_its_reader() {
    let site = Site::configured(
        handler(async |request: Request<Body>| {
            let (feed, body) = by_hand();
            tokio::spawn(async move {
                feed.data("so far ");
                feed.data(
                    read_all(request.into_body()).await.expect_err("it is large").to_string(),
                );
            });
            Response::new(body)
        }),
        |config| config.max_body_bytes = Some(5),
    );
    let mut peer = site.connect().await;
    let request = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n6\r\n123456\r\n";
    assert_eq!(peer.ask(request).await.text(), "so far the body is larger than 5 bytes");
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_request_that_a_connection_may_have_is_told_so() {
    let site = Site::configured(hello(), |config| config.max_requests_per_connection = Some(3));
    for _ in 0..2 {
        let mut peer = site.connect().await;
        peer.send(GET.repeat(5)).await;
        for _ in 0..2 {
            peer.answer().await.expect(200, &[("content-length", "5")], "hello");
        }
        let last = [("connection", "close"), ("content-length", "5")];
        peer.answer().await.expect(200, &last, "hello");
        peer.expect_end().await;
    }
    assert_eq!(site.server.stats().requests, 6);
}

#[tokio::test(start_paused = true)]
async fn a_connection_beyond_the_limit_waits_until_another_has_ended() {
    let site = Site::configured(hello(), |config| config.max_connections = Some(2));
    let mut first = site.connect().await;
    let mut second = site.connect().await;
    for peer in [&mut first, &mut second] {
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    let mut third = site.connect().await;
    third.send(GET).await;
    third.expect_silence(secs(10)).await;
    assert_eq!(site.server.stats().open_connections, 2);
    first.conn.close();
    third.answer().await.expect(200, &[("content-length", "5")], "hello");
    second.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    let stats = site.server.stats();
    assert_eq!((stats.connections, stats.open_connections), (3, 2));
}

async fn dial(network: &Network, addr: &str) -> Peer {
    let addr = addr.parse().expect("an address");
    let conn = network.dial_timeout(&addr, None).await.expect("a connection");
    Peer::new(conn, secs(1000))
}

/// A listener that waits must not hold the room that another could use.
#[tokio::test(start_paused = true)]
async fn the_limit_of_connections_is_one_for_all_addresses_and_workers() {
    let network = Network::default();
    let mut config = ServerConfig::default();
    config.max_connections = Some(1);
    let addresses = ["sim:alpha:1", "sim:alpha:2", "sim:alpha:3"];
    let mut server = Server::new(hello()).config(config).workers(2);
    for address in addresses {
        server = server.listen(address, network.clone());
    }
    let server = server.spawn().expect("free addresses");
    // In either order, and each worker in its turn.
    for address in addresses.into_iter().chain(addresses.into_iter().rev()) {
        let mut peer = dial(&network, address).await;
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
        let mut waiting = dial(&network, addresses[0]).await;
        waiting.send(GET).await;
        waiting.expect_silence(secs(1)).await;
        peer.conn.close();
        waiting.answer().await.expect(200, &[("content-length", "5")], "hello");
    }
    settle().await;
    assert_eq!(server.stats().open_connections, 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_too_many_connections_gets_no_more_and_others_do() {
    let site = Site::configured(hello(), |config| config.max_connections_per_peer = Some(2));
    let mut first = site.connect_from("10.0.0.1").await;
    let mut second = site.connect_from("10.0.0.1").await;
    first.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    let mut third = site.connect_from("10.0.0.1").await;
    third.try_send(GET).await;
    third.expect_end().await;
    assert_eq!(site.server.stats().refused_connections, 1);
    for other in ["10.0.0.2", "10.0.0.3"] {
        let mut peer = site.connect_from(other).await;
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    second.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    first.conn.close();
    settle().await;
    let mut fourth = site.connect_from("10.0.0.1").await;
    fourth.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    let stats = site.server.stats();
    assert_eq!((stats.connections, stats.refused_connections), (5, 1));
}

/// The limit of heads counts their bytes, and heads at the limit pass.
#[tokio::test(start_paused = true)]
async fn heads_at_their_limits_pass() {
    let site = Site::configured(hello(), |config| {
        config.max_head_bytes = 1000;
        config.max_target_bytes = 200;
        config.max_headers = 5;
    });
    let mut peer = site.connect().await;
    let frame = "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n".len();
    for (fields, target, expected) in [
        (format!("x: {}\r\n", "y".repeat(1000 - frame)), "/".to_owned(), 200),
        ("x: y\r\n".repeat(4), "/".to_owned(), 200),
        (String::new(), format!("/{}", "x".repeat(199)), 200),
        (format!("x: {}\r\n", "y".repeat(1001 - frame)), "/".to_owned(), 431),
    ] {
        let answer = peer.ask(format!("GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n")).await;
        assert_eq!(answer.status, expected, "{target} {fields}");
    }
}

/// What running out of descriptors looks like: the server waits a little, and goes on.
#[tokio::test(start_paused = true)]
async fn errors_of_accepting_are_waited_out() {
    let site = Site::new(hello());
    site.network.fail_accepts(5);
    let begin = Instant::now();
    let mut peer = site.connect().await;
    peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    // 5 + 10 + 20 + 40 + 80 ms.
    let took = begin.elapsed();
    assert!(took >= ms(155) && took <= ms(165), "{took:?}");
    assert_eq!(site.server.stats().accept_errors, 5);
    // The waits begin anew after a success.
    site.network.fail_accepts(1);
    let begin = Instant::now();
    let mut peer = site.connect().await;
    peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    assert!(begin.elapsed() <= ms(7), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_accept_can_be_shut_down() {
    let site = Site::new(hello());
    site.network.fail_accepts(usize::MAX);
    drop(site.connect().await);
    sleep(secs(10)).await;
    let begin = Instant::now();
    assert_eq!(site.server.shutdown(secs(5)).await, dipole_http::Drained::Whole);
    assert!(begin.elapsed() <= ms(1));
}
