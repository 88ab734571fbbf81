//! Tunnels on the simulated network: a proxy that is a script, and whoever dials through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dipole_dialers::{
    Bypass, Credentials, Hosts, HttpProxy, Outgoing, Proxy, Resolver, Resolving, Socks5,
    SystemResolver,
};
use dipole_net::{
    Addr, BoxFuture, Conn, ConnExt as _, DialOptions, Dialer, DialerExt as _, Error, ErrorKind,
    ListenOptions, Listener, Result, TlsLayer, TlsOptions, Transport as _,
};
use dipole_sim::{Config, Network};
use tokio::time::timeout;

/// How long a script waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(1000);
const LIMIT: Duration = Duration::from_secs(5);

fn addr(text: &str) -> Addr {
    text.parse().expect("an address")
}

/// A server that is a script.
struct Far {
    listener: Box<dyn Listener>,
}

impl Far {
    fn at(network: &Network, at: &str) -> Self {
        let listeners = network.listen(&addr(at), &ListenOptions::default());
        let listener = listeners.expect("nobody listens there").into_iter().next();
        Self { listener: listener.expect("one for a shard") }
    }

    async fn accept(&mut self) -> Box<dyn Conn> {
        let accepted = std::future::poll_fn(|cx| self.listener.poll_accept(cx));
        let accepted = timeout(PATIENCE, accepted).await.expect("somebody dials");
        let connection = accepted.expect("no fault").accept().await.expect("no handshake");
        connection.into_bytes().expect("a byte stream")
    }
}

async fn expect(conn: &mut dyn Conn, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let came = timeout(PATIENCE, conn.read_binary(bytes.len())).await.expect("it comes in time");
    assert_eq!(
        came.expect("it comes").escape_ascii().to_string(),
        bytes.escape_ascii().to_string()
    );
}

/// Dials from a task of its own.
fn dial<D: Dialer + 'static>(
    dialer: D,
    to: &str,
) -> tokio::task::JoinHandle<Result<Box<dyn Conn>>> {
    let to = addr(to);
    tokio::spawn(async move { dialer.dial_timeout(&to, Some(LIMIT)).await })
}

async fn fails(dialled: tokio::task::JoinHandle<Result<Box<dyn Conn>>>) -> ErrorKind {
    let error = dialled.await.expect("no panic").expect_err("no tunnel");
    error.kind().clone()
}

const CONNECT: &str = "CONNECT far:443 HTTP/1.1\r\nhost: far:443\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_made_wherever_the_answer_is_cut() {
    let answer = "HTTP/1.1 200 OK\r\nvia: x\r\n\r\nfirst";
    for cut in 0..=answer.len() {
        let network = Network::new(Config::default());
        let mut proxy = Far::at(&network, "proxy:3128");
        let dialled = dial(HttpProxy::new(network.clone(), addr("proxy:3128")), "far:443");
        let mut far = proxy.accept().await;
        expect(&mut *far, CONNECT).await;
        far.write_all(&answer.as_bytes()[..cut]).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
        far.write_all(&answer.as_bytes()[cut..]).await.expect("it is taken");
        let mut near = dialled.await.expect("no panic").expect("a tunnel");
        // What comes after the answer is the tunnel's, both ways.
        expect(&mut *near, "first").await;
        near.write_all(b"hello").await.expect("it is taken");
        expect(&mut *far, "hello").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_wants_a_password_gets_it_and_its_refusals_have_kinds() {
    for (status, kind) in [
        ("407 Proxy Authentication Required", ErrorKind::PermissionDenied),
        ("403 Forbidden", ErrorKind::PermissionDenied),
        ("502 Bad Gateway", ErrorKind::Unreachable),
        ("500 Internal Server Error", ErrorKind::Refused),
        ("302 Found", ErrorKind::Refused),
    ] {
        let network = Network::new(Config::default());
        let mut proxy = Far::at(&network, "proxy:3128");
        let dialer = HttpProxy::new(network.clone(), addr("proxy:3128"));
        let dialer = dialer.credentials(Credentials::new("Aladdin", "open sesame"));
        let dialled = dial(dialer, "[::1]:443");
        let mut far = proxy.accept().await;
        expect(
            &mut *far,
            "CONNECT [::1]:443 HTTP/1.1\r\nhost: [::1]:443\r\n\
             proxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n",
        )
        .await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        far.write_all(answer.as_bytes()).await.expect("it is taken");
        assert_eq!(fails(dialled).await, kind, "{status}");
        assert!(far.peek(1).await.is_err(), "the connection is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_hangs_up_or_is_silent_or_speaks_something_else_is_told_apart() {
    for (answer, stays, kind) in [
        ("", false, ErrorKind::Refused),
        ("HTTP/1.1 200 OK\r\n", false, ErrorKind::Refused),
        ("SSH-2.0-x\r\n", true, ErrorKind::Refused),
        ("HTTP/1.1 200 OK\r\n", true, ErrorKind::TimedOut),
        ("", true, ErrorKind::TimedOut),
    ] {
        let network = Network::new(Config::default());
        let mut proxy = Far::at(&network, "proxy:3128");
        let begun = tokio::time::Instant::now();
        let dialled = dial(HttpProxy::new(network.clone(), addr("proxy:3128")), "far:443");
        let mut far = proxy.accept().await;
        expect(&mut *far, CONNECT).await;
        far.write_all(answer.as_bytes()).await.expect("it is taken");
        if !stays {
            far.shutdown().await.expect("it is there");
        }
        assert_eq!(fails(dialled).await, kind, "{answer:?}");
        assert!(begun.elapsed() <= LIMIT + Duration::from_millis(20), "{:?}", begun.elapsed());
    }
    let network = Network::new(Config::default());
    let dialled = dial(HttpProxy::new(network, addr("proxy:3128")), "far:443");
    assert_ne!(fails(dialled).await, ErrorKind::TimedOut, "nobody listens");
}

#[tokio::test(start_paused = true)]
async fn the_proxys_own_address_is_dialled_without_a_tunnel() {
    let network = Network::new(Config::default());
    let mut proxy = Far::at(&network, "proxy:3128");
    let dialled = dial(HttpProxy::new(network.clone(), addr("proxy:3128")), "proxy:3128");
    let mut far = proxy.accept().await;
    let mut near = dialled.await.expect("no panic").expect("a connection");
    near.write_all(b"GET").await.expect("it is taken");
    expect(&mut *far, "GET").await;
}

/// Stands for TLS: says whom it has asked for, and lets bytes through.
struct FakeTls;

impl TlsLayer for FakeTls {
    fn add_tls<'a>(
        &'a self,
        mut conn: Box<dyn Conn>,
        options: &'a TlsOptions,
    ) -> BoxFuture<'a, Result<Box<dyn Conn>>> {
        Box::pin(async move {
            conn.write_all(format!("hello {}\n", options.server_name).as_bytes()).await?;
            Ok(conn)
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_behind_tls_is_asked_for_by_its_own_name() {
    let network = Network::new(Config::default());
    let mut proxy = Far::at(&network, "proxy:443");
    let described: Proxy = "https://proxy".parse().expect("a proxy");
    assert!(described.over(network.clone(), None).is_err(), "it needs TLS");
    let dialer = described.over(network.clone(), Some(Arc::new(FakeTls))).expect("it has TLS");
    let dialled = dial(dialer, "far:443");
    let mut far = proxy.accept().await;
    expect(&mut *far, format!("hello proxy\n{CONNECT}")).await;
    far.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("it is taken");
    dialled.await.expect("no panic").expect("a tunnel");
}

#[tokio::test(start_paused = true)]
async fn socks_is_spoken_wherever_the_answers_are_cut() {
    let (choice, outcome) = (b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50first");
    for cut in 0..=outcome.len() {
        let network = Network::new(Config::default());
        let mut proxy = Far::at(&network, "proxy:1080");
        let dialled = dial(Socks5::new(network.clone(), addr("proxy:1080")), "far:80");
        let mut far = proxy.accept().await;
        expect(&mut *far, b"\x05\x01\x00").await;
        far.write_all(&choice[..cut.min(2)]).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
        far.write_all(&choice[cut.min(2)..]).await.expect("it is taken");
        expect(&mut *far, b"\x05\x01\x00\x03\x03far\x00\x50").await;
        far.write_all(&outcome[..cut]).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
        far.write_all(&outcome[cut..]).await.expect("it is taken");
        let mut near = dialled.await.expect("no panic").expect("a tunnel");
        expect(&mut *near, "first").await;
    }
}

#[tokio::test(start_paused = true)]
async fn socks_with_a_password_and_what_may_go_wrong() {
    let someone = || Credentials::new("me", "pw");
    // What the proxy says to the greeting, the password and the wish; and what becomes of it.
    type Case = (&'static [u8], &'static [u8], &'static [u8], Option<ErrorKind>);
    let success: &[u8] = b"\x05\x00\x00\x03\x01a\x00\x50";
    let cases: [Case; 7] = [
        (b"\x05\x02", b"\x01\x00", success, None),
        (b"\x05\x00", b"", success, None),
        (b"\x05\x02", b"\x01\x01", b"", Some(ErrorKind::PermissionDenied)),
        (b"\x05\xff", b"", b"", Some(ErrorKind::PermissionDenied)),
        (b"\x05\x02", b"\x01\x00", b"\x05\x05\x00\x01\0\0\0\0\0\0", Some(ErrorKind::Refused)),
        (b"\x05\x00", b"", b"\x05\x04\x00\x01\0\0\0\0\0\0", Some(ErrorKind::Unreachable)),
        (b"HTTP/1.1 400", b"", b"", Some(ErrorKind::Refused)),
    ];
    for (choice, verdict, outcome, kind) in cases {
        let network = Network::new(Config::default());
        let mut proxy = Far::at(&network, "proxy:1080");
        let dialer = Socks5::new(network.clone(), addr("proxy:1080")).credentials(someone());
        let dialled = dial(dialer, "10.0.0.1:80");
        let mut far = proxy.accept().await;
        expect(&mut *far, b"\x05\x02\x00\x02").await;
        far.write_all(choice).await.expect("it is taken");
        if !verdict.is_empty() {
            expect(&mut *far, b"\x01\x02me\x02pw").await;
            far.write_all(verdict).await.expect("it is taken");
        }
        if !outcome.is_empty() {
            expect(&mut *far, b"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50").await;
            far.write_all(outcome).await.expect("it is taken");
        }
        match kind {
            None => drop(dialled.await.expect("no panic").expect("a tunnel")),
            Some(kind) => assert_eq!(fails(dialled).await, kind, "{choice:?} {outcome:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn socks_may_be_told_addresses_alone_which_are_tried_in_turn() {
    let network = Network::new(Config::default());
    let mut proxy = Far::at(&network, "proxy:1080");
    let hosts = Hosts::new(SystemResolver)
        .host("far", ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().expect("an address")))
        .host("nobody", []);
    let dialer = Socks5::new(network.clone(), addr("proxy:1080")).look_up_by(hosts);
    let dialled = dial(dialer.clone(), "far:80");
    for (last, outcome) in [(1u8, 5u8), (2, 0)] {
        let mut far = proxy.accept().await;
        expect(&mut *far, b"\x05\x01\x00").await;
        far.write_all(b"\x05\x00").await.expect("it is taken");
        expect(&mut *far, [5, 1, 0, 1, 10, 0, 0, last, 0, 80]).await;
        far.write_all(&[5, outcome, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("it is taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    dialled.await.expect("no panic").expect("a tunnel by the second");
    assert_eq!(fails(dial(dialer, "nobody:80")).await, ErrorKind::UnknownHost);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_the_proxy_is_not_for_are_dialled_directly() {
    let network = Network::new(Config::default());
    let mut proxy = Far::at(&network, "proxy:1080");
    let mut far = Far::at(&network, "direct:80");
    let described: Proxy = "socks5h://proxy".parse().expect("a proxy");
    let described = described.bypass(Bypass::parse("direct,proxy"));
    let dialer = described.over(network.clone(), None).expect("it needs no TLS");
    let dialled = dial(dialer.clone(), "direct:80");
    far.accept().await;
    dialled.await.expect("no panic").expect("a connection");
    let dialled = dial(dialer, "other:80");
    let mut conn = proxy.accept().await;
    expect(&mut *conn, b"\x05\x01\x00").await;
    drop(dialled);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_is_given_up_leaves_nothing() {
    let network = Network::new(Config::default());
    let mut proxy = Far::at(&network, "proxy:3128");
    let dialled = dial(HttpProxy::new(network.clone(), addr("proxy:3128")), "far:443");
    let mut far = proxy.accept().await;
    expect(&mut *far, CONNECT).await;
    dialled.abort();
    assert!(dialled.await.is_err_and(|error| error.is_cancelled()));
    assert!(far.peek(1).await.is_err(), "the connection is closed");
    drop(far);
    assert_eq!(network.stats().connections, 0);
}

/// Knows no name in time.
struct Slow;

impl Resolver for Slow {
    fn look_up<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>>> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            Err(Error::new(ErrorKind::UnknownHost))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_by_whom_one_likes_and_their_addresses_raced() {
    let network = Network::new(Config::default());
    let mut far = Far::at(&network, "10.0.0.2:80");
    let hosts = Hosts::new(Slow)
        .host("Far", ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().expect("an address")))
        .host("nobody", []);
    let dialer = Resolving::new(network.clone(), Arc::new(hosts));
    let dialled = dial(dialer.clone(), "far:80");
    far.accept().await;
    let conn = dialled.await.expect("no panic").expect("the second address answers");
    assert_eq!(conn.peer_addr().to_string(), "10.0.0.2:80");
    assert_eq!(fails(dial(dialer.clone(), "nobody:80")).await, ErrorKind::UnknownHost);
    let begun = tokio::time::Instant::now();
    assert_eq!(fails(dial(dialer, "slow:80")).await, ErrorKind::TimedOut);
    assert!(begun.elapsed() <= LIMIT + Duration::from_millis(20), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_local_address_is_dialled_from_unless_the_dial_has_its_own() {
    let network = Network::new(Config::default());
    let mut far = Far::at(&network, "10.0.0.2:80");
    let dialer = Outgoing::new(network.clone()).local("10.0.0.9".parse().expect("an address"));
    let dialled = dial(dialer.clone(), "10.0.0.2:80");
    let conn = far.accept().await;
    assert!(conn.peer_addr().to_string().starts_with("10.0.0.9:"), "{}", conn.peer_addr());
    dialled.await.expect("no panic").expect("a connection");
    let mut options = DialOptions::default();
    options.local = Some("10.0.0.8:0".parse().expect("an address"));
    let to = addr("10.0.0.2:80");
    let (near, conn) = tokio::join!(dialer.dial_connection(&to, &options), far.accept());
    near.expect("a connection");
    assert!(conn.peer_addr().to_string().starts_with("10.0.0.8:"), "{}", conn.peer_addr());
}

#[test]
fn a_dialer_over_a_proxy_says_so_and_has_the_name_of_the_library_below() {
    let direct: Arc<dyn Dialer> = Arc::new(Network::new(Config::default()));
    let at = || addr("proxy:3128");
    let by_url = |url: &str| url.parse::<Proxy>().expect(url).over(Arc::clone(&direct), None);
    let proxied: [Arc<dyn Dialer>; 6] = [
        Arc::new(HttpProxy::new(Arc::clone(&direct), at())),
        Arc::new(Socks5::new(Arc::clone(&direct), at())),
        Arc::new(by_url("http://proxy").expect("a dialer")),
        Arc::new(by_url("socks5://proxy").expect("a dialer")),
        Arc::new(Outgoing::new(HttpProxy::new(Arc::clone(&direct), at()))),
        Arc::new(Resolving::new(Socks5::new(Arc::clone(&direct), at()), SystemResolver)),
    ];
    for dialer in proxied {
        assert_eq!((dialer.name(), dialer.capabilities().proxied), ("sim", true));
    }
    let dialer = Outgoing::new(Resolving::new(direct, SystemResolver));
    assert_eq!((dialer.name(), dialer.capabilities().proxied), ("sim", false));
}
