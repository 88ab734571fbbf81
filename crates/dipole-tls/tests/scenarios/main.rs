//! What TLS over a connection promises, one scenario a file, on the simulated network under a
//! paused clock.

mod client_certificates;
mod early_data;
mod echo;
mod files;
mod key_updates;
mod names;
mod peer;
mod plain_text;
mod resumption;
mod truncation;

use std::time::{Duration, SystemTime};

use dipole_net::{
    Addr, Conn, Connection, ListenOptions, Listener, Result, TlsLayer, TlsOptions, Transport,
};
use dipole_sim::Network;
use dipole_tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NAME: &str = "server.test";

fn this_year() -> std::ops::Range<SystemTime> {
    let now = SystemTime::now();
    now - DAY..now + 365 * DAY
}

/// Both ends of TLS, with an authority that the client trusts.
struct Ends {
    server: ServerTls,
    client: ClientTls,
    options: ServerTlsOptions,
}

impl Ends {
    fn new() -> Self {
        Self::with(|_, _| {})
    }

    fn with(change: impl FnOnce(&mut ServerTlsOptions, &mut ClientTlsOptions)) -> Self {
        let authority = authority();
        let issued = authority.issue(&[NAME], this_year()).unwrap();
        let mut server = ServerTlsOptions::new(issued.identity);
        let mut client = ClientTlsOptions::default();
        client.roots = authority.roots();
        change(&mut server, &mut client);
        Self {
            client: ClientTls::new(&client).unwrap(),
            server: ServerTls::new(&server).unwrap(),
            options: server,
        }
    }

    /// Another server with the same certificate.
    fn server_like(&self, change: impl FnOnce(&mut ServerTlsOptions)) -> ServerTls {
        let mut options = self.options.clone();
        change(&mut options);
        ServerTls::new(&options).unwrap()
    }

    /// A secured connection: the client's end, the server's end.
    async fn connect(&self) -> (Box<dyn Conn>, Box<dyn Conn>) {
        let (near, far) = plain().await;
        let options = TlsOptions::new(NAME);
        let (client, server) =
            tokio::join!(self.client.add_tls(near, &options), self.server.accept(far));
        (client.unwrap(), server.unwrap())
    }
}

fn authority() -> Authority {
    Authority::new("an authority", this_year()).unwrap()
}

/// The two ends of a connection of the simulated network.
async fn plain() -> (Box<dyn Conn>, Box<dyn Conn>) {
    let network = Network::default();
    let (mut listener, addr) = listen(&network);
    let dialed = dipole_net::DialerExt::dial_timeout(&network, &addr, None);
    let (near, far) = tokio::join!(dialed, accept(&mut *listener));
    (near.unwrap(), far.unwrap())
}

fn listen(transport: &dyn Transport) -> (Box<dyn Listener>, Addr) {
    let addr: Addr = "sim:alpha:0".parse().unwrap();
    let listener = transport.listen(&addr, &ListenOptions::default()).unwrap().remove(0);
    let addr = listener.local_addr();
    (listener, addr)
}

async fn accept(listener: &mut dyn Listener) -> Result<Box<dyn Conn>> {
    let incoming = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    incoming.accept().await.map(|connection| match connection {
        Connection::Bytes(conn) => conn,
        other => panic!("expected bytes, got {other:?}"),
    })
}
