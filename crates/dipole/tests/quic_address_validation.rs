//! Before a client has shown that it is at its address (RFC 9000 section 8): Retry packets under load,
//! their tokens, and how much a server sends; on both QUIC libraries, seen on the wire.

use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use dipole::net::{
    Addr, DialOptions, Dialer, DialerExt, ErrorKind, ListenOptions, Result, StreamConn, Transport,
};
use dipole::quinn::{QuicOptions, Quinn, Retry};
use dipole::s2n::S2n;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use tokio::net::UdpSocket;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Handshakes that may be pending before clients are sent back for a token.
const BOUND: usize = 2;
/// More than each step takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_client_is_sent_back_for_a_token_when_too_many_handshakes_are_pending() {
    sent_back_under_load(|options| quinn(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_client_is_sent_back_for_a_token_when_too_many_handshakes_are_pending() {
    sent_back_under_load(|options| s2n(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_client_that_shows_its_token_is_not_sent_back_again() {
    sent_back_once(|options| quinn(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_client_that_shows_its_token_is_not_sent_back_again() {
    sent_back_once(|options| s2n(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_token_is_good_for_nobody_elses_address() {
    no_token_of_another(|options| quinn(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_token_is_good_for_nobody_elses_address() {
    no_token_of_another(|options| s2n(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_client_beyond_the_bound_on_handshakes_is_refused() {
    refused_beyond_the_bound(|options| quinn(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_client_beyond_the_bound_on_handshakes_is_refused() {
    refused_beyond_the_bound(|options| s2n(options, few_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_server_sends_three_times_what_came_until_the_address_is_validated() {
    three_times_what_came(|options| quinn(options, many_names())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_server_sends_three_times_what_came_until_the_address_is_validated() {
    three_times_what_came(|options| s2n(options, many_names())).await;
}

/// The client that comes when the bound is passed gets a Retry packet; those before it do not.
async fn sent_back_under_load<L: Library>(library: impl FnOnce(QuicOptions) -> L) {
    let mut options = QuicOptions::default();
    options.retry = Retry::Above(BOUND);
    let (library, server, _serving) = serving(library(options)).await;
    // These get an answer, and do not go on: their handshakes are pending.
    let mut half_open = Vec::new();
    for _ in 0..=BOUND {
        let way = Way::to(server, Client::FallsSilent).await;
        let dialing = way.dial(&library);
        assert_eq!(way.first_answer().await, Packet::Initial);
        half_open.push((way, dialing));
    }
    let way = Way::to(server, Client::GoesOn).await;
    let dialed = way.dial(&library);
    assert_eq!(way.first_answer().await, Packet::Retry);
    let dialed = timeout(PATIENCE, dialed).await.expect("in time").expect("the dial ends");
    drop(dialed.expect("a connection, with the token"));
    for (_, dialing) in &half_open {
        assert!(!dialing.is_finished(), "a handshake is not pending any more");
        dialing.abort();
    }
}

async fn sent_back_once<L: Library>(library: impl FnOnce(QuicOptions) -> L) {
    let mut options = QuicOptions::default();
    options.retry = Retry::Always;
    let (library, server, _serving) = serving(library(options)).await;
    let way = Way::to(server, Client::GoesOn).await;
    let dialed = timeout(PATIENCE, way.dial(&library)).await.expect("in time");
    drop(dialed.expect("the dial ends").expect("a connection"));
    let seen = way.seen();
    let retries = seen.iter().filter(|seen| seen.is_answer && seen.packet == Packet::Retry);
    assert_eq!(retries.count(), 1);
    let first_bytes = seen.iter().find(|seen| seen.is_answer).expect("an answer").length;
    let asked = seen.iter().find(|seen| !seen.is_answer).expect("a question").length;
    assert!(first_bytes < asked, "a Retry of {first_bytes} bytes for {asked}");
}

/// A token that comes from another address than it was sent to validates nothing.
async fn no_token_of_another<L: Library>(library: impl FnOnce(QuicOptions) -> L) {
    let mut options = QuicOptions::default();
    options.retry = Retry::Always;
    let (library, server, _serving) = serving(library(options)).await;
    let way = Way::to(server, Client::MovesAfterRetry).await;
    let mut dial = DialOptions::default();
    dial.streams.handshake_timeout = Duration::from_secs(3);
    let dialed = timeout(PATIENCE, way.dial_with(&library, dial)).await.expect("in time");
    let dialed = dialed.expect("the dial ends");
    assert!(dialed.is_err(), "a connection by the token of another address");
    let seen = way.seen();
    assert_eq!(seen.iter().find(|seen| seen.is_answer).expect("an answer").packet, Packet::Retry);
    let with_token = seen.iter().filter(|seen| !seen.is_answer && seen.has_token).count();
    assert!(with_token > 0, "the token was shown from the other address");
    let handshakes = seen.iter().filter(|seen| seen.packet == Packet::Handshake).count();
    assert_eq!(handshakes, 0, "the server went on");
}

async fn refused_beyond_the_bound<L: Library>(library: impl FnOnce(QuicOptions) -> L) {
    let mut options = QuicOptions::default();
    options.retry = Retry::Never;
    options.pending_handshakes = BOUND;
    let (library, server, _serving) = serving(library(options)).await;
    let mut half_open = Vec::new();
    for _ in 0..BOUND {
        let way = Way::to(server, Client::FallsSilent).await;
        let dialing = way.dial(&library);
        assert_eq!(way.first_answer().await, Packet::Initial);
        half_open.push((way, dialing));
    }
    let way = Way::to(server, Client::GoesOn).await;
    let dialed = timeout(PATIENCE, way.dial(&library)).await.expect("in time");
    let refused = dialed.expect("the dial ends").expect_err("no connection");
    assert_eq!(refused.kind(), &ErrorKind::Refused, "{refused}");
    for (_, dialing) in half_open {
        dialing.abort();
    }
}

/// With a certificate that is longer than that, and a client that says nothing more.
async fn three_times_what_came<L: Library>(library: impl FnOnce(QuicOptions) -> L) {
    let mut options = QuicOptions::default();
    options.retry = Retry::Never;
    let (library, server, _serving) = serving(library(options)).await;
    let way = Way::to(server, Client::FallsSilent).await;
    let dialing = way.dial(&library);
    assert_eq!(way.first_answer().await, Packet::Initial);
    // It sends again what was lost, as far as it may.
    sleep(Duration::from_secs(3)).await;
    let (came, sent) = way.bytes();
    assert!(sent <= 3 * came, "{sent} bytes to an address that has sent {came}");
    assert!(sent > 2 * came, "no more than {sent} bytes: the certificate is too short to tell");
    dialing.abort();

    // The same client, heard to the end, gets more.
    let way = Way::to(server, Client::GoesOn).await;
    let dialed = timeout(PATIENCE, way.dial(&library)).await.expect("in time");
    let conn = dialed.expect("the dial ends").expect("a connection");
    let first = way.seen().iter().find(|seen| !seen.is_answer).expect("a question").length;
    let (_, sent) = way.bytes();
    assert!(sent > 3 * first, "{sent} bytes: the certificate is too short to tell");
    drop(conn);
}

trait Library: Transport + Dialer + Clone + 'static {}
impl<L: Transport + Dialer + Clone + 'static> Library for L {}

/// A server that keeps what it accepts.
async fn serving<L: Library>(library: L) -> (L, SocketAddr, JoinSet<()>) {
    let addr: Addr = "127.0.0.1:0".parse().expect("an address");
    let mut listeners = library.listen(&addr, &ListenOptions::default()).expect("a port");
    let server = listeners[0].local_addr().ip().expect("an IP address");
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut kept = JoinSet::new();
        while let Ok(incoming) = poll_fn(|cx| listeners[0].poll_accept(cx)).await {
            kept.spawn(async move {
                if let Ok(conn) = incoming.accept().await {
                    let conn = conn.into_streams().expect("streams");
                    conn.closed().await;
                }
            });
        }
    });
    (library, server, serving)
}

/// What a client's datagrams do after its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    GoesOn,
    /// Nothing more of it arrives, nor does it hear anything.
    FallsSilent,
    /// What it sends from then on comes from another address.
    MovesAfterRetry,
}

/// The kind of a datagram's first packet (RFC 9000 section 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packet {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    Short,
}

impl Packet {
    fn of(datagram: &[u8]) -> Self {
        match datagram[0] {
            first if first & 0x80 == 0 => Self::Short,
            first => match first >> 4 & 0b11 {
                0 => Self::Initial,
                1 => Self::ZeroRtt,
                2 => Self::Handshake,
                _ => Self::Retry,
            },
        }
    }
}

/// True for an Initial with a token (RFC 9000 section 17.2.2): a connection id each, and the token's
/// length.
fn has_token(datagram: &[u8]) -> bool {
    if Packet::of(datagram) != Packet::Initial {
        return false;
    }
    let destination = usize::from(datagram[5]);
    let source = usize::from(datagram[6 + destination]);
    datagram[7 + destination + source] != 0
}

/// A datagram on the wire.
#[derive(Debug, Clone, Copy)]
struct Seen {
    is_answer: bool,
    packet: Packet,
    has_token: bool,
    length: usize,
}

/// The way of one client to the server, which sees what goes by.
struct Way {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _relay: JoinSet<()>,
}

impl Way {
    async fn to(server: SocketAddr, client: Client) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = front.local_addr().expect("its address");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let mut relay = JoinSet::new();
        relay.spawn(run(front, server, client, Arc::clone(&seen)));
        Self { address, seen, _relay: relay }
    }

    fn dial<L: Library>(&self, library: &L) -> JoinHandle<Result<Box<dyn StreamConn>>> {
        self.dial_with(library, DialOptions::default())
    }

    fn dial_with<L: Library>(
        &self,
        library: &L,
        options: DialOptions,
    ) -> JoinHandle<Result<Box<dyn StreamConn>>> {
        let (library, address) = (library.clone(), Addr::Ip(self.address));
        tokio::spawn(async move { library.dial_streams(&address, &options).await })
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("nobody panics holding it").clone()
    }

    /// The kind of the first packet that the server answers with.
    async fn first_answer(&self) -> Packet {
        let answer = async {
            loop {
                if let Some(answer) = self.seen().iter().find(|seen| seen.is_answer) {
                    return answer.packet;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, answer).await.expect("an answer in time")
    }

    /// What has come to the server, and what it has sent.
    fn bytes(&self) -> (usize, usize) {
        let of = |is_answer| {
            let seen = self.seen();
            seen.iter().filter(|seen| seen.is_answer == is_answer).map(|seen| seen.length).sum()
        };
        (of(false), of(true))
    }
}

async fn run(front: UdpSocket, server: SocketAddr, client: Client, seen: Arc<Mutex<Vec<Seen>>>) {
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
    let mut back = bind().await.expect("a socket");
    let mut at = None;
    let (mut there, mut here) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let note = |is_answer: bool, datagram: &[u8]| {
        let (packet, length) = (Packet::of(datagram), datagram.len());
        let has_token = !is_answer && has_token(datagram);
        let mut seen = seen.lock().expect("nobody panics holding it");
        seen.push(Seen { is_answer, packet, has_token, length });
    };
    loop {
        // Datagrams that cannot be sent are lost, as datagrams are.
        tokio::select! {
            Ok((length, from)) = front.recv_from(&mut there) => {
                if at.is_some() && client == Client::FallsSilent {
                    continue;
                }
                at = Some(from);
                note(false, &there[..length]);
                drop(back.send_to(&there[..length], server).await);
            }
            Ok((length, _)) = back.recv_from(&mut here) => {
                note(true, &here[..length]);
                if client == Client::MovesAfterRetry && Packet::of(&here) == Packet::Retry {
                    back = bind().await.expect("a socket");
                }
                if let (Some(at), Client::GoesOn | Client::MovesAfterRetry) = (at, client) {
                    drop(front.send_to(&here[..length], at).await);
                }
            }
        }
    }
}

fn quinn(options: QuicOptions, names: Vec<String>) -> Quinn {
    let (server, client) = certified(&names);
    Quinn::new(server, client).with_options(options)
}

fn s2n(options: QuicOptions, names: Vec<String>) -> S2n {
    let (server, client) = certified(&names);
    S2n::new(server, client).with_options(options)
}

fn few_names() -> Vec<String> {
    vec!["127.0.0.1".into()]
}

/// So many that the certificate takes more than three first packets.
fn many_names() -> Vec<String> {
    let others = (0..300).map(|number| format!("a-name-among-many-{number}.example"));
    few_names().into_iter().chain(others).collect()
}

/// A server of these names, and a client that trusts whoever certified it.
fn certified(names: &[String]) -> (ServerTls, ClientTls) {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let authority = Authority::new("validation", now - hour..now + hour).expect("an authority");
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    let issued = authority.issue(&names, now - hour..now + hour).expect("a certificate");
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let server = ServerTls::new(&ServerTlsOptions::new(issued.identity)).expect("a server");
    (server, ClientTls::new(&trust).expect("a client"))
}
