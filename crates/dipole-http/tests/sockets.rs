//! What only real sockets can show: resets, worker threads, Unix sockets.

mod support;

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, Drained, HttpService, Server, ServerConfig, ServerHandle};
use dipole_net::{Addr, Conn, ConnExt, DialerExt};
use dipole_tokio::Tokio;
use http::{Request, Response};
use tokio::sync::mpsc;

use support::{Calls, End, Peer, handler, read_all, secs, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A server on worker threads of its own.
fn start(addr: &str, service: impl HttpService, config: ServerConfig) -> ServerHandle {
    let server = Server::new(service).config(config).listen(addr, Tokio::new()).workers(2);
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

async fn connect(addr: &Addr) -> Peer {
    let conn = Tokio::new().dial_timeout(addr, Some(secs(10))).await;
    Peer::new(conn.unwrap_or_else(|error| panic!("{error}")), secs(20))
}

/// What other threads say, within some seconds.
async fn hear(said: &mut mpsc::UnboundedReceiver<&'static str>) -> &'static str {
    let next = tokio::time::timeout(secs(10), said.recv()).await;
    next.expect("it is said in time").expect("somebody is there to say it")
}

/// Says this when it is dropped.
struct Last(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Last {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send(self.1);
    }
}

#[tokio::test]
async fn workers_serve_on_threads_of_their_own_and_end() {
    let threads = Calls::default();
    let noted = threads.clone();
    let service = handler(move |_| {
        noted.note(std::thread::current().name().unwrap_or_default());
        async { text("hello") }
    });
    let server = start("127.0.0.1:0", service, ServerConfig::default());
    let mut peers = Vec::new();
    for _ in 0..64 {
        let mut peer = connect(&server.local_addrs()[0]).await;
        for _ in 0..2 {
            peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
        }
        peers.push(peer);
    }
    let mut names = threads.list();
    assert_eq!(names.len(), 128);
    names.sort();
    names.dedup();
    assert_eq!(names, ["dipole-0", "dipole-1"], "each connection stays with its worker");
    assert_eq!(server.stats().open_connections, 64);

    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
    for peer in &mut peers {
        peer.expect_end().await;
    }
    assert_eq!(server.stats().open_connections, 0);
    assert!(Tokio::new().dial_timeout(&server.local_addrs()[0], None).await.is_err());
}

/// Closing with unread bytes makes TCP send a reset, which takes the answer from a client that
/// has not read it yet (RFC 9112 section 9.6).
#[tokio::test]
async fn a_client_that_sends_a_large_body_nobody_reads_sees_the_whole_answer_and_no_reset() {
    const LENGTH: usize = 20_000_000;
    let mut config = ServerConfig::default();
    config.max_body_bytes = Some(1000);
    let service = handler(async |request: Request<Body>| match request.uri().path() {
        "/read" => text(read_all(request.into_body()).await.expect("a body").0.len().to_string()),
        _ => text("x".repeat(100_000)),
    });
    let unlimited = start("127.0.0.1:0", service.clone(), ServerConfig::default());
    let limited = start("127.0.0.1:0", service, config);
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {LENGTH}\r\n\r\n");
    let chunked = "POST /read HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1312d00\r\n";
    for (server, head, status) in [
        (&unlimited, &*head, 200),
        (&limited, &*head, 413),
        (&limited, chunked, 413),
        (&limited, "POST / HTTP/1.1\r\nhost: a\r\n\r\n\r\n", 200),
        (&limited, "BAD REQUEST\r\n\r\n", 400),
    ] {
        for _ in 0..5 {
            let mut peer = connect(&server.local_addrs()[0]).await;
            peer.conn.put(head.as_bytes());
            peer.conn.write_binary(Bytes::from(vec![b'x'; LENGTH]));
            // All of it, as simple clients do, and only then the answer.
            peer.conn.flush().await.unwrap_or_else(|error| panic!("{status}: {error}"));
            let answer = peer.answer().await;
            assert_eq!(answer.status, status, "{head}");
            assert!(status != 200 || answer.body.len() == 100_000, "{head}");
            let (more, end) = peer.rest().await;
            assert_eq!(end, End::Eof, "{head} {more}");
        }
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_is_reset() {
    let mut config = ServerConfig::default();
    config.write_timeout = Some(Duration::from_millis(100));
    let service = handler(async |_| Response::new(Body::from(vec![b'x'; 100_000_000])));
    let server = start("127.0.0.1:0", service, config);
    let mut peer = connect(&server.local_addrs()[0]).await;
    peer.send(GET).await;
    peer.conn.peek(1).await.expect("the answer begins");
    // The drain waits for the answer, which its deadline ends.
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
    assert_eq!((server.stats().timed_out, server.stats().open_connections), (1, 0));
    let mut read = 0;
    let error = loop {
        match peer.conn.peek(1).await {
            Ok(_) => {
                let held = peer.conn.len();
                peer.conn.skip(held).expect("it is held");
                read += held;
            }
            Err(error) => break error,
        }
    };
    assert_eq!(*error.kind(), dipole_net::ErrorKind::Reset, "after {read} bytes");
    assert!(read < 100_000_000);
}

#[tokio::test]
async fn a_handler_is_dropped_soon_after_its_client_has_gone() {
    type Leave = fn(&mut dyn Conn);
    let ways: [(&str, Leave); 2] =
        [("closes", |conn| conn.close()), ("resets", |conn| conn.reset())];
    let (tell, mut told) = mpsc::unbounded_channel();
    let service = handler(move |_: Request<Body>| {
        let _ = tell.send("it runs");
        let last = Last(tell.clone(), "it is dropped");
        async move {
            let _last = last;
            std::future::pending::<Response<Body>>().await
        }
    });
    let server = start("127.0.0.1:0", service, ServerConfig::default());
    for (way, leave) in ways {
        let mut peer = connect(&server.local_addrs()[0]).await;
        peer.send(GET).await;
        assert_eq!(hear(&mut told).await, "it runs");
        let begin = std::time::Instant::now();
        leave(&mut *peer.conn);
        assert_eq!(hear(&mut told).await, "it is dropped", "{way}");
        // 100 ms, and some for a machine that is busy.
        assert!(begin.elapsed() < Duration::from_millis(1000), "{way}: {:?}", begin.elapsed());
    }
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
    let stats = server.stats();
    assert_eq!((stats.requests, stats.cancelled, stats.open_connections), (2, 2, 0));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn unix_sockets_are_served_too() {
    let name = format!("unix:@dipole-http-sockets-{}", std::process::id());
    let service = handler(async |_| text("hello"));
    let server = start(&name, service, ServerConfig::default());
    assert_eq!(server.local_addrs()[0].to_string(), name);
    for _ in 0..10 {
        let mut peer = connect(&server.local_addrs()[0]).await;
        for _ in 0..2 {
            peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
        }
    }
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
}

#[tokio::test]
async fn several_addresses_and_libraries_are_one_server() {
    let network = dipole_sim::Network::default();
    let server = Server::new(handler(async |_| text("hello")))
        .listen("127.0.0.1:0", Tokio::new())
        .listen("[::1]:0", Tokio::new())
        .listen("sim:alpha:80", network.clone());
    let server = server.spawn().unwrap_or_else(|error| panic!("{error}"));
    let addrs = server.local_addrs();
    let sim = network.dial_timeout(&addrs[2], None).await.expect("a connection");
    let peers = [connect(&addrs[0]).await, connect(&addrs[1]).await, Peer::new(sim, secs(20))];
    for mut peer in peers {
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    assert_eq!(server.stats().connections, 3);
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
}
