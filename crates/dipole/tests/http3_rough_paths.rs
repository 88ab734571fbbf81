//! HTTP/3 over paths that lose, double and reorder, and on which the client's address changes; on both
//! QUIC libraries.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dipole::conformance::{Relay, Roughness};
use dipole::net::{Dialer, Transport};
use dipole::quinn::Quinn;
use dipole::s2n::S2n;
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use dipole::tokio::Tokio;
use dipole::{Body, Client, ClientConfig, ProtocolChoice, Server};
use http::{Request, Response, Version};
use http_body::Body as _;
use tokio::time::timeout;

const LENGTH: usize = 8 << 20;
/// s2n-quic lets no client move between the ports up to this one and those above.
const S2N_RANGE_ENDS: u16 = 49151;
/// One way.
const DELAY: Duration = Duration::from_millis(1);
/// Many times what a transfer takes.
const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_download_is_whole_where_one_of_a_hundred_is_lost() {
    download(Quinn::new, Roughness::of(1, DELAY), Address::Stays).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_download_is_whole_where_one_of_a_hundred_is_lost() {
    download(S2n::new, Roughness::of(1, DELAY), Address::Stays).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_download_is_whole_where_one_of_ten_is_lost() {
    download(Quinn::new, Roughness::of(10, DELAY), Address::Stays).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_download_is_whole_where_one_of_ten_is_lost() {
    download(S2n::new, Roughness::of(10, DELAY), Address::Stays).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_quinn_a_download_goes_on_when_the_clients_port_changes() {
    download(Quinn::new, Roughness::NONE, Address::Changes).await;
}

/// Within the range of ports that s2n-quic lets a client move in.
#[tokio::test(flavor = "multi_thread")]
async fn on_s2n_a_download_goes_on_when_the_clients_port_changes() {
    download(S2n::new, Roughness::NONE, Address::Changes).await;
}

/// Whether the client's address changes in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    Stays,
    Changes,
}

async fn download<L>(library: fn(ServerTls, ClientTls) -> L, rough: Roughness, address: Address)
where
    L: Transport + Dialer + Clone + 'static,
{
    let (server, tls) = certified();
    let library = library(server, tls.clone());
    let content = content();
    let served = content.clone();
    let service = tower::service_fn(move |_: Request<Body>| {
        let body = Body::from(served.clone());
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let server = Server::new(service).listen("127.0.0.1:0", library.clone());
    let server = server.workers(2).start().expect("a free port");
    let to = server.local_addrs()[0].ip().expect("an IP address");
    let relay = Relay::start(to, 9114, rough).await.expect("a relay");
    relay.set_ports(1024..=S2N_RANGE_ENDS);

    let mut config = ClientConfig::default();
    config.protocol = ProtocolChoice::Http3;
    let builder = Client::builder().with_dialer(Tokio::new()).with_tls(tls);
    let client = builder.with_stream_dialer(library).config(config).build();
    let url = format!("https://127.0.0.1:{}/", relay.address().port());
    let response = timeout(PATIENCE, client.get(&url).send()).await.expect("a head in time");
    let response = response.expect("a response");
    assert_eq!(response.version(), Version::HTTP_3);
    let mut body = response.into_body();
    let mut taken = 0;
    let mut has_changed = false;
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
        let Some(frame) = timeout(PATIENCE, frame).await.expect("a piece in time") else { break };
        let data = frame.expect("a piece").into_data().expect("data");
        assert!(content[taken..].starts_with(&data), "other bytes from {taken} on");
        taken += data.len();
        if address == Address::Changes && !has_changed && taken > LENGTH / 4 {
            has_changed = true;
            relay.change_addresses();
        }
    }
    assert_eq!(taken, LENGTH);
    assert_eq!(has_changed, address == Address::Changes);
    assert_eq!(server.stats().requests, 1, "the download was not begun anew");
}

/// Bytes in which each place differs from its neighbours and from those a packet further.
fn content() -> Bytes {
    let numbers = (0..LENGTH as u32 / 4).map(|number| number.wrapping_mul(2_654_435_761));
    numbers.flat_map(u32::to_le_bytes).collect::<Vec<_>>().into()
}

/// A server for this machine, and a client that trusts whoever certified it.
fn certified() -> (ServerTls, ClientTls) {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let authority = Authority::new("rough paths", now - hour..now + hour).expect("an authority");
    let issued = authority.issue(&["127.0.0.1"], now - hour..now + hour).expect("a certificate");
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let mut options = ServerTlsOptions::new(issued.identity);
    options.alpn = vec![Bytes::from_static(b"h3")];
    let server = ServerTls::new(&options).expect("a server");
    (server, ClientTls::new(&trust).expect("a client"))
}
