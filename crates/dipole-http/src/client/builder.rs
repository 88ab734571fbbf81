//! From what a client is to have to the client.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dipole_net::{Addr, Dialer, TlsLayer};

use super::connect::Connector;
use super::pool::{Pool, Settings};
use super::race::Http3;
use super::service_records::ServiceRecords;
use super::{Client, ClientConfig, Forwarding, Inner};

/// Makes a [`Client`]; see [`Client::builder`].
#[derive(Clone, Default)]
pub struct ClientBuilder<D = ()> {
    dialer: D,
    streams: Option<Arc<dyn Dialer>>,
    records: Option<Arc<dyn ServiceRecords>>,
    tls: Option<Arc<dyn TlsLayer>>,
    config: ClientConfig,
    only: Option<Addr>,
    forwarding: Option<Forwarding>,
}

impl<D> ClientBuilder<D> {
    /// The network library that connects.
    #[must_use]
    pub fn with_dialer(self, dialer: impl Dialer + 'static) -> ClientBuilder<Arc<dyn Dialer>> {
        let Self { streams, records, tls, config, only, forwarding, .. } = self;
        ClientBuilder { dialer: Arc::new(dialer), streams, records, tls, config, only, forwarding }
    }

    /// The network library that connects for HTTP/3, such as one of QUIC; without it none is
    /// spoken. It brings its own TLS, and its own way to the network: what wraps the other dialer,
    /// such as a resolver, does not wrap this one. Where the other one goes by a proxy
    /// ([`Capabilities::proxied`](dipole_net::Capabilities::proxied)) and this one does not, HTTP/3 is
    /// not spoken at all, to no host: it would go around the proxy.
    ///
    /// With it the client follows what servers say of their HTTP/3 (RFC 7838):
    /// [`ProtocolChoice`](crate::ProtocolChoice) and
    /// [`Http3ClientConfig`](crate::Http3ClientConfig) say when.
    #[must_use]
    pub fn with_stream_dialer(mut self, dialer: impl Dialer + 'static) -> Self {
        self.streams = Some(Arc::new(dialer));
        self
    }

    /// Who looks up HTTPS records (RFC 9460), which may say that an origin has HTTP/3 before it was
    /// ever asked. They are waited for 50 ms at most, once for as long as they are good for; what
    /// the origin itself says goes before them. Addresses that they hint at are not used.
    #[must_use]
    pub fn with_service_records(mut self, records: impl ServiceRecords + 'static) -> Self {
        self.records = Some(Arc::new(records));
        self
    }

    /// What secures the connections of `https:` requests; without it there are none.
    #[must_use]
    pub fn with_tls(mut self, layer: impl TlsLayer + 'static) -> Self {
        self.tls = Some(Arc::new(layer));
        self
    }

    /// Deadlines and limits.
    #[must_use]
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Sends every request to the Unix socket at `path`; the URI's host is only told the server.
    #[must_use]
    pub fn unix_socket(self, path: impl Into<PathBuf>) -> Self {
        self.address(Addr::unix(path))
    }

    /// Sends every request to `addr`; the URI's host is only told the server, and what its
    /// certificate is held against.
    #[must_use]
    pub fn address(mut self, addr: impl Into<Addr>) -> Self {
        self.only = Some(addr.into());
        self
    }

    /// Sends plain `http:` requests through a proxy that forwards them; see [`Forwarding`].
    #[must_use]
    pub fn forwarding(mut self, forwarding: Forwarding) -> Self {
        self.forwarding = Some(forwarding);
        self
    }
}

impl ClientBuilder<Arc<dyn Dialer>> {
    /// Puts another dialer over the one that is there; it is told the TLS that is there by now,
    /// too.
    ///
    /// # Errors
    /// Those of `wrap`.
    pub fn wrap_dialer<D: Dialer + 'static, E>(
        self,
        wrap: impl FnOnce(Arc<dyn Dialer>, Option<Arc<dyn TlsLayer>>) -> Result<D, E>,
    ) -> Result<Self, E> {
        let dialer = wrap(Arc::clone(&self.dialer), self.tls.clone())?;
        Ok(self.with_dialer(dialer))
    }

    /// The client. Connects nowhere yet.
    #[must_use]
    pub fn build(self) -> Client {
        let settings = Settings {
            max_connections: self.config.max_connections_per_host,
            max_idle: self.config.max_idle_per_host,
            idle_timeout: self.config.idle_timeout,
            max_age: self.config.max_connection_age,
        };
        let connector = Connector { dialer: self.dialer, tls: self.tls };
        // What is beside a proxy would go around it.
        let keeps_way =
            |dialer: &Arc<dyn Dialer>| dialer.capabilities().proxied || !connector.is_proxied();
        let streams = self.streams.filter(keeps_way);
        Client {
            inner: Arc::new(Inner {
                http3: streams.map(|dialer| Http3::new(dialer, self.records, &self.config)),
                connector,
                limits: self.config.limits(),
                config: self.config,
                pool: Pool::new(settings),
                only: self.only,
                forwarding: self.forwarding,
            }),
            service: None,
        }
    }
}

impl<D> fmt::Debug for ClientBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
