//! A server on a simulated network of its own.

use dipole_http::{HttpService, Server, ServerConfig, ServerHandle};
use dipole_net::DialerExt;
use dipole_sim::{Config, Network};

use super::{Peer, secs, watch_for_standstill};

/// A server at `127.0.0.1:80` of a simulated network, on the caller's runtime.
pub(crate) struct Site {
    pub(crate) network: Network,
    pub(crate) server: ServerHandle,
}

pub(crate) const ADDRESS: &str = "127.0.0.1:80";

impl Site {
    pub(crate) fn new<S: HttpService>(service: S) -> Self {
        Self::with(service, |server| server)
    }

    /// Deadlines and limits other than the default ones.
    pub(crate) fn configured<S: HttpService>(
        service: S,
        change: impl FnOnce(&mut ServerConfig),
    ) -> Self {
        let mut config = ServerConfig::default();
        change(&mut config);
        Self::with(service, |server| server.config(config))
    }

    pub(crate) fn with<S: HttpService>(
        service: S,
        change: impl FnOnce(Server<S>) -> Server<S>,
    ) -> Self {
        Self::on(Config::default(), service, change)
    }

    /// On a network that behaves so.
    pub(crate) fn on<S: HttpService>(
        config: Config,
        service: S,
        change: impl FnOnce(Server<S>) -> Server<S>,
    ) -> Self {
        watch_for_standstill();
        let network = Network::new(config);
        let server = change(Server::new(service)).listen(ADDRESS, network.clone());
        let server = server.spawn().unwrap_or_else(|error| panic!("{error}"));
        Self { network, server }
    }

    pub(crate) async fn connect(&self) -> Peer {
        self.connect_from("127.0.0.1").await
    }

    pub(crate) async fn connect_from(&self, name: &str) -> Peer {
        let addr = ADDRESS.parse().expect("an address");
        let conn = self.network.at(name).dial_timeout(&addr, None).await;
        Peer::new(conn.unwrap_or_else(|error| panic!("{error}")), secs(1000))
    }
}
