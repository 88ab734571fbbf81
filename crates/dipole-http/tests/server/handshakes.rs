//! Connections that have a handshake before their first request.

use std::task::{Context, Poll};

use dipole_http::{Drained, Server, ServerConfig, ServerHandle};
use dipole_net::{
    Addr, Capabilities, DialerExt, ErrorKind, Incoming, ListenOptions, Listener, Result, Transport,
};
use dipole_sim::Network;
use tokio::time::{Instant, sleep};

use crate::support::{Peer, expect_on_time, handler, ms, secs, settle, text};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[derive(Debug, Clone, Copy)]
enum Handshake {
    Quick,
    Slow(u64),
    Silent,
    Fails,
}

/// A network whose connections have a handshake.
///
/// The handshakes are those of the connections in their order; those after them are quick.
struct WithHandshakes(Network, Vec<Handshake>);

impl Transport for WithHandshakes {
    fn name(&self) -> &'static str {
        "handshakes"
    }
    fn capabilities(&self) -> Capabilities {
        Transport::capabilities(&self.0)
    }
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let mut handshakes = self.1.clone();
        handshakes.reverse();
        let listener = self.0.listen(addr, options)?.remove(0);
        Ok(vec![Box::new(HandshakeListener(listener, handshakes))])
    }
}

struct HandshakeListener(Box<dyn Listener>, Vec<Handshake>);

impl Listener for HandshakeListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        self.0.poll_accept(cx).map_ok(|incoming| {
            let handshake = self.1.pop().unwrap_or(Handshake::Quick);
            let peer = incoming.peer_addr().clone();
            let shaken = async move {
                match handshake {
                    Handshake::Quick => {}
                    Handshake::Slow(seconds) => sleep(secs(seconds)).await,
                    Handshake::Silent => std::future::pending().await,
                    Handshake::Fails => return Err(ErrorKind::Tls.into()),
                }
                incoming.accept().await
            };
            Incoming::handshake(peer, Box::pin(shaken))
        })
    }

    fn local_addr(&self) -> Addr {
        self.0.local_addr()
    }
}

fn start(handshakes: &[Handshake], config: ServerConfig) -> (Network, ServerHandle) {
    let network = Network::default();
    let transport = WithHandshakes(network.clone(), handshakes.to_vec());
    let server = Server::new(handler(async |_| text("hello"))).config(config);
    let server = server.listen("sim:alpha:80", transport).spawn().expect("a free address");
    (network, server)
}

async fn connect(network: &Network) -> Peer {
    let addr = "sim:alpha:80".parse().expect("an address");
    let conn = network.dial_timeout(&addr, None).await.expect("a connection");
    Peer::new(conn, secs(1000))
}

#[tokio::test(start_paused = true)]
async fn a_silent_handshake_delays_no_other_and_is_given_up_by_its_deadline() {
    let (network, server) = start(&[Handshake::Silent; 3], ServerConfig::default());
    let begin = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(connect(&network).await);
    }
    let mut peer = connect(&network).await;
    peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    assert!(begin.elapsed() < ms(1));
    for peer in &mut silent {
        peer.expect_end().await;
    }
    expect_on_time(begin, secs(10));
    assert_eq!(server.stats().open_connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_fails_costs_its_own_connection_alone() {
    let handshakes = [Handshake::Fails, Handshake::Quick, Handshake::Fails];
    let (network, server) = start(&handshakes, ServerConfig::default());
    for _ in 0..2 {
        connect(&network).await.expect_end().await;
        let mut peer = connect(&network).await;
        peer.ask(GET).await.expect(200, &[("content-length", "5")], "hello");
    }
    assert_eq!(server.stats().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_takes_nothing_from_the_header_deadline() {
    let mut config = ServerConfig::default();
    config.header_timeout = Some(secs(3));
    let (network, _server) = start(&[Handshake::Slow(9)], config);
    let mut peer = connect(&network).await;
    peer.expect_end_after(secs(12)).await;
}

/// There is no request yet that could be let end.
#[tokio::test(start_paused = true)]
async fn a_handshake_under_way_does_not_hold_a_shutdown_up() {
    let (network, server) = start(&[Handshake::Silent], ServerConfig::default());
    let mut peer = connect(&network).await;
    settle().await;
    assert_eq!(server.stats().open_connections, 1);
    let begin = Instant::now();
    assert_eq!(server.shutdown(secs(30)).await, Drained::Whole);
    assert!(begin.elapsed() <= ms(1));
    peer.expect_end().await;
    assert_eq!(server.stats().open_connections, 0);
}
