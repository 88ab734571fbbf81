//! What both ends are told of a dial that asks for TLS.

use dipole_net::{
    Addr, DialOptions, DialerExt, ErrorKind, ListenOptions, TlsFault, TlsOptions, Transport,
};
use dipole_sim::Network;

use crate::{accept, addr, kind};

fn asking(protocols: &[&'static str]) -> DialOptions {
    let mut tls = TlsOptions::new("beta.example");
    tls.alpn = protocols.iter().map(|protocol| (*protocol).into()).collect();
    let mut options = DialOptions::default();
    options.tls = Some(tls);
    options
}

fn beta() -> Addr {
    addr("sim:beta:443")
}

#[tokio::test(start_paused = true)]
async fn a_listener_chooses_among_what_it_speaks() {
    let network = Network::default();
    let streams = network.streams().protocols(["h3", "echo"]);
    let mut listener = streams.listen(&beta(), &ListenOptions::default()).unwrap().remove(0);
    let dialled = streams.dial_streams(&beta(), &asking(&["echo", "h3", "x"])).await.unwrap();
    let accepted = accept(&mut listener).await;
    for end in [&*dialled, &*accepted] {
        let tls = end.tls().expect("it was asked for");
        assert_eq!(tls.alpn.as_deref(), Some(&b"h3"[..]));
        assert_eq!(tls.server_name.as_deref(), Some("beta.example"));
    }
    let dial = streams.dial_streams(&beta(), &asking(&["x"])).await;
    let error = dial.expect_err("nothing in common");
    assert_eq!(error.kind(), &ErrorKind::Tls);
    assert_eq!(error.tls_fault(), Some(TlsFault::NothingInCommon));
    // Nobody was let in, and nobody is kept out.
    assert_eq!(network.stats().unaccepted, 0);
    streams.dial_streams(&beta(), &asking(&["echo"])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_says_nothing_speaks_what_is_asked_for() {
    let streams = Network::default().streams();
    let mut listener = streams.listen(&beta(), &ListenOptions::default()).unwrap().remove(0);
    let _dialled = streams.dial_streams(&beta(), &asking(&["h3"])).await.unwrap();
    let accepted = accept(&mut listener).await;
    assert_eq!(accepted.tls().unwrap().alpn.as_deref(), Some(&b"h3"[..]));
    let _plain = streams.dial_streams(&beta(), &DialOptions::default()).await.unwrap();
    assert!(accept(&mut listener).await.tls().is_none());
}

#[tokio::test(start_paused = true)]
async fn byte_streams_and_streams_have_ports_of_their_own() {
    let network = Network::default();
    let options = ListenOptions::default();
    let _bytes = network.listen(&beta(), &options).unwrap();
    let streams = network.streams();
    let _streams = streams.listen(&beta(), &options).unwrap();
    assert_eq!(kind(streams.listen(&beta(), &options)), ErrorKind::AddrInUse);
    network.dial_timeout(&beta(), None).await.unwrap();
    streams.dial_streams(&beta(), &DialOptions::default()).await.unwrap();
}
