//! HTTP/3, server and client, on both QUIC libraries over loopback; what depends on the network's
//! delay, on quinn over the simulated network.

mod early_data;
#[path = "../../../dipole-quinn/tests/simulated/sockets.rs"]
#[expect(dead_code, reason = "addresses do not change here")]
mod sockets;
mod thousand;
mod web_sockets;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use dipole::net::{Dialer, ListenOptions, Transport};
use dipole::tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};
use dipole::tokio::Tokio;
use dipole::{Client, ClientConfig, HttpService, ProtocolChoice, Server, ServerHandle};

/// Many times what anything here takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server on a free port, and a client of HTTP/3 alone; `library` makes the network library.
fn site<L, S>(
    library: fn(ServerTls, ClientTls) -> L,
    service: S,
    options: ListenOptions,
    change: impl FnOnce(&mut ClientConfig),
) -> Site
where
    L: Transport + Dialer + Clone + 'static,
    S: HttpService,
{
    let (server, _, client) = certified("127.0.0.1");
    let library = library(server, client.clone());
    let server = Server::new(service).listen_with("127.0.0.1:0", library.clone(), options);
    let server = server.workers(1).start().expect("a free port");
    let url = format!("https://{}/", server.local_addrs()[0].ip().expect("an IP address"));
    let mut config = ClientConfig::default();
    config.protocol = ProtocolChoice::Http3;
    change(&mut config);
    let builder = Client::builder().with_dialer(Tokio::new()).with_tls(client);
    let client = builder.with_stream_dialer(library).config(config).build();
    Site { server, client, url }
}

struct Site {
    server: ServerHandle,
    client: Client,
    url: String,
}

/// Two servers of that name, and a client that trusts whoever certified them.
fn certified(name: &str) -> (ServerTls, ServerTls, ClientTls) {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let authority = Authority::new("of the test", now - hour..now + hour).expect("an authority");
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let server = || {
        let issued = authority.issue(&[name], now - hour..now + hour);
        let mut options = ServerTlsOptions::new(issued.expect("a certificate").identity);
        options.alpn = vec![Bytes::from_static(b"h3")];
        ServerTls::new(&options).expect("a server")
    };
    (server(), server(), ClientTls::new(&trust).expect("a client"))
}
