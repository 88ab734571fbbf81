//! Another library under a live listener, and another server behind its sockets.

#![cfg(unix)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use dipole_http::{Drained, Server, ServerConfig, ServerHandle};
use dipole_net::{Addr, DialerExt, ErrorKind, ListenOptions};
use dipole_sim::Network;
use dipole_tokio::Tokio;
use tokio::sync::{Notify, watch};

use support::{Peer, handler, secs, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const CLOSES: &[(&str, &str)] = &[("connection", "close"), ("content-length", "5")];
const STAYS: &[(&str, &str)] = &[("content-length", "5")];

fn hello() -> Server<impl dipole_http::HttpService> {
    Server::new(handler(async |_| text("hello"))).workers(2)
}

fn started(server: Server<impl dipole_http::HttpService>) -> ServerHandle {
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

async fn connect(addr: &Addr) -> Peer {
    let conn = Tokio::new().dial_timeout(addr, Some(secs(10))).await;
    Peer::new(conn.unwrap_or_else(|error| panic!("{error}")), secs(20))
}

#[tokio::test]
async fn an_answer_after_the_swap_says_that_it_is_the_connection_s_last() {
    let server = started(hello().listen("127.0.0.1:0", Tokio::new()));
    let addr = server.local_addrs()[0].clone();
    let mut old = connect(&addr).await;
    old.ask(GET).await.expect(200, STAYS, "hello");
    server.swap_transport(&addr, Tokio::new()).await.expect("a swap");

    old.ask(GET).await.expect(200, CLOSES, "hello");
    old.expect_end().await;
    let mut new = connect(&addr).await;
    for _ in 0..3 {
        new.ask(GET).await.expect(200, STAYS, "hello");
    }
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
    assert_eq!(server.stats().open_connections, 0);
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_is_up_and_not_before() {
    let mut config = ServerConfig::default();
    config.retire_timeout = Duration::from_millis(200);
    let server = started(hello().config(config).listen("127.0.0.1:0", Tokio::new()));
    let addr = server.local_addrs()[0].clone();
    let mut idle = connect(&addr).await;
    idle.ask(GET).await.expect(200, STAYS, "hello");
    let begin = std::time::Instant::now();
    server.swap_transport(&addr, Tokio::new()).await.expect("a swap");
    idle.expect_end().await;
    assert!(begin.elapsed() >= Duration::from_millis(200), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_running_request_ends_by_itself() {
    let go_on = Arc::new(Notify::new());
    let waited_for = Arc::clone(&go_on);
    let service = handler(move |_| {
        let waited_for = Arc::clone(&waited_for);
        async move {
            waited_for.notified().await;
            text("hello")
        }
    });
    let mut config = ServerConfig::default();
    config.retire_timeout = Duration::ZERO;
    let server = Server::new(service).config(config).listen("127.0.0.1:0", Tokio::new());
    let server = started(server);
    let addr = server.local_addrs()[0].clone();
    let mut busy = connect(&addr).await;
    busy.send(GET).await;
    while server.stats().requests == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        server.swap_transport(&addr, Tokio::new()).await.expect("a swap");
    }
    go_on.notify_one();
    busy.answer().await.expect(200, CLOSES, "hello");
    busy.expect_end().await;
}

#[tokio::test]
async fn no_connection_is_refused_and_no_request_fails_while_the_library_changes() {
    let (answered, mut seen) = watch::channel(0);
    let service = handler(move |_| {
        answered.send_modify(|count| *count += 1);
        async { text("hello") }
    });
    let server = Server::new(service).workers(2).listen("127.0.0.1:0", Tokio::new());
    let server = started(server);
    let addr = server.local_addrs()[0].clone();
    let client = async |requests: usize| {
        let mut peer = connect(&addr).await;
        for _ in 0..requests {
            let answer = peer.ask(GET).await;
            assert_eq!((answer.status, &*answer.body), (200, &b"hello"[..]));
            if answer.closes() {
                peer.expect_end().await;
                peer = connect(&addr).await;
            }
        }
    };
    let clients = async {
        tokio::join!(client(2000), client(2000), client(2000), client(2000), client(2000));
    };
    let swaps = async {
        for turn in 0..20 {
            seen.wait_for(|count| *count >= turn * 400).await.expect("the server is there");
            server.swap_transport(&addr, Tokio::new()).await.expect("a swap");
        }
    };
    tokio::join!(clients, swaps);
    assert!(server.stats().connections > 5, "some connection saw a swap");
}

#[tokio::test]
async fn the_path_of_a_unix_socket_stays_until_the_last_of_its_listeners_ends() {
    let path = std::env::temp_dir().join(format!("dipole-swapping-{}.sock", std::process::id()));
    let server = started(hello().listen(Addr::unix(&path), Tokio::new()));
    let addr = server.local_addrs()[0].clone();
    for _ in 0..3 {
        server.swap_transport(&addr, Tokio::new()).await.expect("a swap");
        connect(&addr).await.ask(GET).await.expect(200, STAYS, "hello");
        assert!(path.exists());
    }
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_cannot_be_swapped_goes_on_as_it_was() {
    let sim = Network::default();
    let server = hello()
        .listen("127.0.0.1:0", Tokio::new())
        .listen("sim:alpha:80", sim.clone())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}"));
    let [tcp, simulated] = server.local_addrs() else { panic!("two addresses") };
    let mut old = connect(tcp).await;
    let swapped = |addr: &Addr, library: Arc<dyn dipole_net::Transport>| {
        let (server, addr) = (server.clone(), addr.clone());
        async move { server.swap_transport(&addr, library).await.map_err(|e| e.kind().clone()) }
    };
    let tokio = || Arc::new(Tokio::new());
    let unsupported = Err(ErrorKind::Unsupported);
    assert_eq!(swapped(tcp, Arc::new(sim.clone())).await, unsupported);
    assert_eq!(swapped(simulated, tokio()).await, unsupported);
    let elsewhere = "127.0.0.1:1".parse().expect("an address");
    assert_eq!(swapped(&elsewhere, tokio()).await, Err(ErrorKind::InvalidInput));

    old.ask(GET).await.expect(200, STAYS, "hello");
    connect(tcp).await.ask(GET).await.expect(200, STAYS, "hello");
    assert_eq!(server.shutdown(secs(10)).await, Drained::Whole);
    assert_eq!(swapped(tcp, tokio()).await, Err(ErrorKind::Closed));
}

#[tokio::test]
async fn another_server_goes_on_with_the_sockets() {
    let first = started(hello().listen("127.0.0.1:0", Tokio::new()));
    let addr = first.local_addrs()[0].clone();
    let mut old = connect(&addr).await;
    old.ask(GET).await.expect(200, STAYS, "hello");

    let sockets = first.sockets(&addr).await.expect("sockets");
    assert_eq!(sockets.len(), 2, "one a worker");
    let mut second = hello();
    for socket in sockets {
        let mut options = ListenOptions::default();
        options.descriptor = Some(socket);
        second = second.listen_with(addr.clone(), Tokio::new(), options);
    }
    let second = started(second);
    assert_eq!(second.local_addrs(), [addr.clone(), addr.clone()]);
    assert_eq!(first.shutdown(secs(10)).await, Drained::Whole);
    old.expect_end().await;
    for _ in 0..16 {
        connect(&addr).await.ask(GET).await.expect(200, STAYS, "hello");
    }
    assert_eq!(second.stats().requests, 16);
    second.swap_transport(&addr, Tokio::new()).await.expect("a swap of both");
    connect(&addr).await.ask(GET).await.expect(200, STAYS, "hello");
}
