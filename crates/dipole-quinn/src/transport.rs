//! Binding addresses.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};
use dipole_tls::{ClientTls, ServerTls};
use socket2::{Domain, Protocol, Socket, Type};

use crate::QuinnOptions;
use crate::config::server_config;
use crate::listener::listeners;

/// QUIC on quinn: a transport and a dialer.
#[derive(Debug, Clone)]
pub struct Quinn {
    server: Option<ServerTls>,
    pub(crate) client: Option<ClientTls>,
    pub(crate) options: QuinnOptions,
}

impl Quinn {
    /// Listens with the certificates of `server` and dials with the trust of `client`, the same as
    /// over TCP. The protocols are [`QuinnOptions::alpn`].
    #[must_use]
    pub fn new(server: ServerTls, client: ClientTls) -> Self {
        Self { server: Some(server), client: Some(client), options: QuinnOptions::default() }
    }

    /// Only listens.
    #[must_use]
    pub fn server(tls: ServerTls) -> Self {
        Self { server: Some(tls), client: None, options: QuinnOptions::default() }
    }

    /// Only dials.
    #[must_use]
    pub fn client(tls: ClientTls) -> Self {
        Self { server: None, client: Some(tls), options: QuinnOptions::default() }
    }

    /// With other options of the endpoint.
    #[must_use]
    pub fn with_options(mut self, options: QuinnOptions) -> Self {
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
        let socket = match addr {
            Addr::Ip(ip) => bind(*ip, options.only_ipv6, &self.options)?,
            Addr::Host(host, port) => self.bind_host(host, *port, options)?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let config = server_config(tls, &options.streams, &self.options)?;
        listeners(socket, config, options, self.options.clone())
    }

    /// The first of the host's addresses that can be bound.
    fn bind_host(&self, host: &str, port: u16, options: &ListenOptions) -> Result<UdpSocket> {
        let addrs = (host, port)
            .to_socket_addrs()
            .map_err(|error| Error::with_source(ErrorKind::UnknownHost, error))?;
        let mut last = Error::new(ErrorKind::UnknownHost);
        for addr in addrs {
            match bind(addr, options.only_ipv6, &self.options) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A UDP socket at `addr`, which is nobody else's.
pub(crate) fn bind(
    addr: SocketAddr,
    only_ipv6: Option<bool>,
    options: &QuinnOptions,
) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if let (true, Some(only_ipv6)) = (addr.is_ipv6(), only_ipv6) {
        socket.set_only_v6(only_ipv6)?;
    }
    socket.set_nonblocking(true)?;
    // The system gives what it allows; less is slower, not wrong.
    drop(socket.set_recv_buffer_size(options.socket_buffer));
    drop(socket.set_send_buffer_size(options.socket_buffer));
    socket.bind(&addr.into())?;
    Ok(socket.into())
}
