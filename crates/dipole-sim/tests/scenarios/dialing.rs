//! Dials, well and badly.

use std::net::SocketAddr;

use dipole_net::{
    Addr, ConnExt, DialOptions, Dialer, DialerExt, ErrorKind, ListenOptions, Transport,
};
use dipole_sim::{Config, Network, Reach};
use tokio::time::Instant;

use crate::{accept, addr, kind, listen, ms, poll_once};

#[tokio::test(start_paused = true)]
async fn each_failure_has_its_kind() {
    let network = Network::default();
    drop(listen(&network, "sim:alpha:80"));
    network.add_host("beta");
    network.set_reach("gamma", Reach::Unreachable);
    network.set_reach("10.0.0.1", Reach::Unreachable);
    for (text, expected) in [
        ("sim:alpha:80", ErrorKind::Refused),
        ("alpha:81", ErrorKind::Refused),
        ("beta:80", ErrorKind::Refused),
        ("127.0.0.1:80", ErrorKind::Refused),
        ("localhost:80", ErrorKind::Refused),
        ("sim:nobody:80", ErrorKind::UnknownHost),
        ("nobody:80", ErrorKind::UnknownHost),
        ("gamma:80", ErrorKind::Unreachable),
        ("10.0.0.1:80", ErrorKind::Unreachable),
        ("unix:/run/x.sock", ErrorKind::Unsupported),
        ("unix:@x", ErrorKind::Unsupported),
        ("other:alpha:80", ErrorKind::Unsupported),
        ("sim:alpha", ErrorKind::InvalidInput),
    ] {
        let dialled = network.dial_timeout(&addr(text), Some(ms(1000))).await;
        assert_eq!(kind(dialled), expected, "{text}");
    }
    let stats = network.stats();
    assert_eq!((stats.dials, stats.made, stats.connections), (13, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn names_hosts_and_ip_addresses_lead_to_their_listeners() {
    let network = Network::default();
    for (listened, dialled) in [
        ("sim:alpha:0", "alpha"),
        ("sim:alpha:0", "ALPHA"),
        ("beta:0", "beta"),
        ("127.0.0.1:0", "127.0.0.1"),
        ("127.0.0.1:0", "localhost"),
        ("[::1]:0", "::1"),
        ("[::1]:0", "localhost"),
        ("0.0.0.0:0", "127.0.0.1"),
        ("0.0.0.0:0", "localhost"),
        ("[::]:0", "10.1.2.3"),
    ] {
        let mut listener = listen(&network, listened);
        let text = listener.local_addr().to_string();
        let port = text.rsplit_once(':').unwrap().1.parse().unwrap();
        let client = network.dial_timeout(&Addr::host(dialled, port), None).await.unwrap();
        let server = accept(&mut listener).await;
        assert_eq!(client.peer_addr(), server.local_addr(), "{listened} {dialled}");
        assert_eq!(client.local_addr(), server.peer_addr(), "{listened} {dialled}");
        let peer = client.peer_addr();
        if !listened.starts_with("0.0.0.0") && !listened.starts_with("[::]") {
            assert_eq!(peer, listener.local_addr());
        }
        assert!(!peer.ip().is_some_and(|ip| ip.ip().is_unspecified()), "{peer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_comes_from_where_it_is_told_to() {
    let network = Network::default();
    let mut listener = listen(&network, "10.0.0.1:80");
    let to = listener.local_addr();
    network.at("10.0.0.7").dial_timeout(&to, None).await.unwrap();
    let peer = accept(&mut listener).await.peer_addr();
    assert_eq!(peer.ip().unwrap().ip().to_string(), "10.0.0.7");
    let local: SocketAddr = "10.0.0.8:1234".parse().unwrap();
    let mut options = DialOptions::default();
    options.local = Some(local);
    network.dial_connection(&to, &options).await.unwrap();
    assert_eq!(accept(&mut listener).await.peer_addr(), Addr::Ip(local));
    network.at("beta").dial_timeout(&to, None).await.unwrap();
    assert!(accept(&mut listener).await.peer_addr().to_string().starts_with("sim:beta:"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_and_a_slow_network_time_out() {
    let mut config = Config::default();
    config.latency = ms(30)..=ms(30);
    let network = Network::new(config);
    let listener = listen(&network, "sim:alpha:80");
    network.set_reach("beta", Reach::Silent);
    for to in [addr("beta:80"), listener.local_addr()] {
        let begin = Instant::now();
        let dialled = network.dial_timeout(&to, Some(ms(50))).await;
        assert_eq!(kind(dialled), ErrorKind::TimedOut);
        assert_eq!(begin.elapsed(), ms(50));
    }
    assert_eq!(network.stats().made, 0);
}

#[tokio::test(start_paused = true)]
async fn dials_wait_for_a_full_backlog_in_their_order() {
    let network = Network::default();
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let mut listener = network.listen(&addr("sim:alpha:80"), &options).unwrap().remove(0);
    let to = listener.local_addr();
    let mut dials = Vec::new();
    for byte in 0..4_u8 {
        let (network, to) = (network.clone(), to.clone());
        dials.push(tokio::spawn(async move {
            let mut conn = network.dial_timeout(&to, None).await.unwrap();
            conn.write_all(&[byte]).await.unwrap();
            conn
        }));
        tokio::task::yield_now().await;
    }
    assert_eq!((network.stats().unaccepted, network.stats().waiting_dials), (1, 3));
    let late = network.dial_timeout(&to, Some(ms(10))).await;
    assert_eq!(kind(late), ErrorKind::TimedOut);
    // The second of them is given up; the others move up.
    dials.remove(1).abort();
    tokio::task::yield_now().await;
    assert_eq!(network.stats().waiting_dials, 2);
    for byte in [0, 2, 3] {
        assert_eq!(accept(&mut listener).await.read_byte().await.unwrap(), byte);
    }
    assert_eq!(network.stats().waiting_dials, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_waits_is_refused_when_the_listener_goes() {
    let network = Network::default();
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let listeners = network.listen(&addr("sim:alpha:80"), &options).unwrap();
    let to = listeners[0].local_addr();
    let mut queued = network.dial_timeout(&to, None).await.unwrap();
    let waiting = tokio::spawn({
        let network = network.clone();
        async move { kind(network.dial_timeout(&to, None).await) }
    });
    tokio::task::yield_now().await;
    drop(listeners);
    assert_eq!(waiting.await.unwrap(), ErrorKind::Refused);
    assert_eq!(kind(queued.peek(1).await), ErrorKind::Reset);
    drop(queued);
    let stats = network.stats();
    assert_eq!((stats.ends, stats.waiting_dials, stats.listeners), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_pending_dial_leaves_nothing_behind() {
    let mut config = Config::default();
    config.latency = ms(5)..=ms(5);
    let network = Network::new(config);
    let listener = listen(&network, "sim:alpha:80");
    for _ in 0..100 {
        assert!(poll_once(network.dial_timeout(&listener.local_addr(), None)).is_pending());
    }
    let stats = network.stats();
    assert_eq!((stats.dials, stats.made, stats.waiting_dials, stats.ends), (100, 0, 0, 0));
}
