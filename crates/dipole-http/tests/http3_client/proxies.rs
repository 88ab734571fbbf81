//! HTTP/3 does not go around a proxy.

use std::time::Duration;

use bytes::Bytes;
use dipole_dialers::HttpProxy;
use dipole_http::{
    Client, ClientConfig, ClientErrorKind, ProtocolChoice, ServiceRecord, ServiceRecords,
};
use dipole_net::{
    BoxFuture, Capabilities, Connection, DialOptions, Dialer, ListenOptions, Result, Transport,
};
use dipole_sim::{Config, Network, Streams};
use http::Version;

use crate::fake_tls::FakeTls;
use crate::far::{Far, GET, bad, good, text};
use crate::far_http3::{Far3, Near3};
use crate::wire::answer;

const HOUR: Duration = Duration::from_secs(3600);

/// Says that `far` has HTTP/3.
struct Dns;

impl ServiceRecords for Dns {
    fn service_records<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, Vec<ServiceRecord>> {
        Box::pin(std::future::ready(vec![ServiceRecord::new([Bytes::from_static(b"h3")], HOUR)]))
    }
}

/// Streams by way of a proxy, as they say.
struct ByProxy(Streams);

impl Dialer for ByProxy {
    fn name(&self) -> &'static str {
        Dialer::name(&self.0)
    }
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Dialer::capabilities(&self.0);
        capabilities.proxied = true;
        capabilities
    }
    fn dial_connection<'a>(
        &'a self,
        addr: &'a dipole_net::Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        self.0.dial_connection(addr, options)
    }
}

/// A client behind a proxy, the proxy, and the server of HTTP/3.
fn behind_a_proxy(
    protocol: ProtocolChoice,
    dialer: impl FnOnce(Streams) -> Box<dyn Dialer>,
) -> (Near3, Far, Far3) {
    let network = Network::new(Config::default());
    let streams = network.streams().protocols(["h3"]);
    let addr = "far:443".parse().expect("an address");
    let listener = streams.listen(&addr, &ListenOptions::default()).expect("a port").pop();
    let far3 = Far3 { listener: listener.expect("one for a shard") };
    let proxy = Far::listening(&network, "proxy:3128");
    let mut config = ClientConfig::default();
    config.protocol = protocol;
    let dialed = HttpProxy::new(network, "proxy:3128".parse().expect("an address"));
    let streams: std::sync::Arc<dyn Dialer> = dialer(streams).into();
    let builder = Client::builder().with_dialer(dialed).with_tls(FakeTls).config(config);
    let builder = builder.with_stream_dialer(streams).with_service_records(Dns);
    (Near3 { client: builder.build(), url: "https://far/".into() }, proxy, far3)
}

#[tokio::test(start_paused = true)]
async fn http3_is_not_tried_around_a_proxy_whoever_says_that_it_is_there() {
    for protocol in [ProtocolChoice::Negotiated, ProtocolChoice::Http3First] {
        let (near, mut proxy, mut far3) = behind_a_proxy(protocol, |streams| Box::new(streams));
        let asked = near.get();
        let mut conn = proxy.accept().await;
        conn.expect("CONNECT far:443 HTTP/1.1\r\nhost: far:443\r\n\r\n").await;
        conn.send("HTTP/1.1 200 OK\r\n\r\n").await;
        conn.expect("hello far h2,http/1.1\n").await;
        conn.send("agreed http/1.1\n").await;
        let old = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nalt-svc: h3=\":443\"\r\n\r\nold";
        conn.expect(GET).await;
        conn.send(old).await;
        assert_eq!(text(good(asked).await).await, "old");
        // The next one knows it by `Alt-Svc`, too.
        let asked = near.get();
        conn.expect(GET).await;
        conn.send(old).await;
        assert_eq!(text(good(asked).await).await, "old");
        far3.expect_no_dial(HOUR).await;
    }
}

#[tokio::test(start_paused = true)]
async fn http3_alone_is_an_error_behind_a_proxy() {
    let (near, _proxy, mut far3) =
        behind_a_proxy(ProtocolChoice::Http3, |streams| Box::new(streams));
    let error = bad(near.get()).await;
    assert_eq!(error.kind(), ClientErrorKind::Request, "{error}");
    far3.expect_no_dial(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn streams_that_go_by_a_proxy_themselves_are_used() {
    let (near, _proxy, mut far3) =
        behind_a_proxy(ProtocolChoice::Http3First, |streams| Box::new(ByProxy(streams)));
    let asked = near.get();
    let peer = far3.accept().await;
    peer.serve(&answer("new")).await;
    let response = good(asked).await;
    assert_eq!(response.version(), Version::HTTP_3);
    assert_eq!(text(response).await, "new");
}
