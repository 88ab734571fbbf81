//! One server on TCP and on UDP, over loopback: what it says of the one on the other.

use std::sync::Arc;
use std::time::SystemTime;

use dipole_http::{AltSvc, Body, Client, Server, ServerConfig, ServerHandle};
use dipole_net::TlsLayer;
use dipole_quinn::Quinn;
use dipole_tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use dipole_tokio::Tokio;
use http::{HeaderMap, Request, Version};

use crate::support::{handler, secs, text};

/// A server for this machine, and a client that trusts whoever certified it.
fn certified() -> (ServerTls, ClientTls) {
    let now = SystemTime::now();
    let authority = Authority::new("tests", now - secs(3600)..now + secs(3600)).unwrap();
    let issued = authority.issue(&["127.0.0.1"], now - secs(3600)..now + secs(3600)).unwrap();
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let server = ServerTls::new(&ServerTlsOptions::new(issued.identity)).unwrap();
    (server, ClientTls::new(&trust).unwrap())
}

/// TLS and plain text over TCP, and QUIC beside the former.
fn served(alt_svc: AltSvc) -> (ServerHandle, ClientTls) {
    let (server_tls, client_tls) = certified();
    let mut config = ServerConfig::default();
    config.alt_svc = alt_svc;
    let server = Server::new(handler(async |_| text("done")))
        .config(config)
        .listen("127.0.0.1:0", server_tls.over(Tokio::new()))
        .with_alt_transport(Quinn::server(server_tls))
        .listen("127.0.0.1:0", Tokio::new())
        .spawn()
        .unwrap();
    (server, client_tls)
}

async fn fields(tls: ClientTls, url: String, version: Version) -> HeaderMap {
    let tls: Arc<dyn TlsLayer> = Arc::new(tls);
    let client = Client::builder().with_dialer(Tokio::new()).with_tls(tls).build();
    let request = Request::get(url).body(Body::empty()).unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.version(), version);
    response.headers().clone()
}

#[tokio::test]
async fn an_answer_over_tls_tells_of_the_udp_port_beside_it() {
    let (server, tls) = served(AltSvc::Derived);
    let addrs = server.local_addrs().to_vec();
    assert_eq!(addrs[0], addrs[1]);
    let port = addrs[0].port().unwrap();
    let said = fields(tls.clone(), format!("https://{}/", addrs[0]), Version::HTTP_11).await;
    assert_eq!(said["alt-svc"], format!("h3=\":{port}\"; ma=86400"));
    let plain = fields(tls, format!("http://{}/", addrs[2]), Version::HTTP_11).await;
    assert!(!plain.contains_key("alt-svc"));
}

#[tokio::test]
async fn nothing_is_told_where_that_is_asked_for() {
    let (server, tls) = served(AltSvc::Silent);
    let url = format!("https://{}/", server.local_addrs()[0]);
    assert!(!fields(tls, url, Version::HTTP_11).await.contains_key("alt-svc"));
}

#[tokio::test]
async fn a_library_beside_nothing_is_a_fault() {
    let (tls, _) = certified();
    let server =
        Server::new(handler(async |_| text("done"))).with_alt_transport(Quinn::server(tls));
    assert!(server.spawn().is_err());
}
