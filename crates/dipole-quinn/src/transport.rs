//! Binding addresses.

use std::sync::Arc;

use dipole_io::QuicOptions;
use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};
use dipole_sockets::listen_udp;
use dipole_tls::{ClientTls, ServerTls};

use crate::config::server_config;
use crate::listener::listeners;
use crate::sockets::{Socket, Sockets};

/// QUIC on quinn: a transport and a dialer.
#[derive(Debug, Clone)]
pub struct Quinn {
    server: Option<ServerTls>,
    pub(crate) client: Option<ClientTls>,
    pub(crate) options: QuicOptions,
    /// `None` is the system's.
    pub(crate) sockets: Option<Arc<dyn Sockets>>,
}

impl Quinn {
    /// Listens with the certificates of `server` and dials with the trust of `client`, the same as
    /// over TCP. The protocols are [`QuicOptions::alpn`].
    #[must_use]
    pub fn new(server: ServerTls, client: ClientTls) -> Self {
        Self { client: Some(client), ..Self::server(server) }
    }

    /// Only listens.
    #[must_use]
    pub fn server(tls: ServerTls) -> Self {
        let options = QuicOptions::default();
        Self { server: Some(tls), client: None, options, sockets: None }
    }

    /// Only dials.
    #[must_use]
    pub fn client(tls: ClientTls) -> Self {
        let options = QuicOptions::default();
        Self { server: None, client: Some(tls), options, sockets: None }
    }

    /// On these sockets in place of the system's. Names are not looked up for listening then; a
    /// listener's shards share the endpoint of the first one that is polled.
    #[must_use]
    pub fn over(mut self, sockets: Arc<dyn Sockets>) -> Self {
        self.sockets = Some(sockets);
        self
    }

    /// With other options of the endpoint.
    #[must_use]
    pub fn with_options(mut self, options: QuicOptions) -> Self {
        self.options = options;
        self
    }
}

/// What this library can do.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.udp = true;
    capabilities.streams = true;
    capabilities.priorities = true;
    capabilities.migration = true;
    capabilities.datagrams = true;
    capabilities.early_data = true;
    capabilities.host_names = true;
    capabilities
};

impl Transport for Quinn {
    fn name(&self) -> &'static str {
        "quinn"
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        self.listen_on(addr, options)
            .map_err(|error| error.context(format!("cannot listen on {addr}")))
    }
}

impl Quinn {
    fn listen_on(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let Some(tls) = &self.server else {
            return Err(Error::with_message(ErrorKind::Unsupported, "there is no certificate"));
        };
        let socket = match (&self.sockets, addr) {
            (None, _) => Socket::System(listen_udp(addr, options, self.options.socket_buffer)?),
            (Some(sockets), Addr::Ip(ip)) => Socket::given(sockets, *ip)?,
            (Some(_), _) => return Err(ErrorKind::Unsupported.into()),
        };
        let config = server_config(tls, &options.streams, &self.options)?;
        listeners(socket, config, options, self.options.clone())
    }
}
