//! Binding addresses.

use dipole_io::QuicOptions;
use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};
use dipole_sockets::listen_udp;
use dipole_tls::{ClientTls, ServerTls};

use crate::config::limits;
use crate::datagrams::{BUILT_IN, Queues};
use crate::listener::listeners;
use crate::port::Bound;

/// QUIC on s2n-quic: a transport and a dialer.
#[derive(Debug, Clone)]
pub struct S2n {
    server: Option<ServerTls>,
    pub(crate) client: Option<ClientTls>,
    pub(crate) options: QuicOptions,
}

impl S2n {
    /// Listens with the certificates of `server` and dials with the trust of `client`, the same as
    /// over TCP. The protocols are [`QuicOptions::alpn`].
    #[must_use]
    pub fn new(server: ServerTls, client: ClientTls) -> Self {
        Self { server: Some(server), client: Some(client), options: QuicOptions::default() }
    }

    /// Only listens.
    #[must_use]
    pub fn server(tls: ServerTls) -> Self {
        Self { server: Some(tls), client: None, options: QuicOptions::default() }
    }

    /// Only dials.
    #[must_use]
    pub fn client(tls: ClientTls) -> Self {
        Self { server: None, client: Some(tls), options: QuicOptions::default() }
    }

    /// With other options of the endpoint.
    #[must_use]
    pub fn with_options(mut self, options: QuicOptions) -> Self {
        self.options = options;
        self
    }
}

/// What this library can do; the head of the crate says what s2n-quic has not.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.udp = true;
    capabilities.streams = true;
    capabilities.datagrams = BUILT_IN;
    capabilities.host_names = true;
    capabilities
};

impl Transport for S2n {
    fn name(&self) -> &'static str {
        "s2n"
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        self.listen_on(addr, options)
            .map_err(|error| error.context(format!("cannot listen on {addr}")))
    }
}

impl S2n {
    fn listen_on(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let Some(tls) = &self.server else {
            return Err(Error::with_message(ErrorKind::Unsupported, "there is no certificate"));
        };
        let bound = Bound {
            socket: listen_udp(addr, options, self.options.socket_buffer)?,
            tls: tls.clone(),
            limits: limits(&options.streams)?,
            datagrams: Queues::new(&options.streams),
            options: self.options.clone(),
            shards: options.shards,
        };
        listeners(bound, options)
    }
}
