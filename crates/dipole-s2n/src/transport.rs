//! Binding addresses.

use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};

use bytes::Bytes;
use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};
use dipole_tls::{ClientTls, ServerTls};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{limits, server_tls};
use crate::listener::listeners;

/// QUIC on s2n-quic: a transport and a dialer.
#[derive(Debug, Clone)]
pub struct S2n {
    server: Option<ServerTls>,
    pub(crate) client: Option<ClientTls>,
    pub(crate) alpn: Vec<Bytes>,
}

impl S2n {
    /// Listens with the certificates of `server` and dials with the trust of `client`, the same as
    /// over TCP, and speaks HTTP/3.
    #[must_use]
    pub fn new(server: ServerTls, client: ClientTls) -> Self {
        Self { server: Some(server), client: Some(client), alpn: vec![Bytes::from_static(b"h3")] }
    }

    /// The protocols to accept, and to offer where a dial names none, best first (RFC 7301).
    #[must_use]
    pub fn with_alpn(mut self, alpn: Vec<Bytes>) -> Self {
        self.alpn = alpn;
        self
    }
}

/// What this library can do. s2n-quic has no priorities, no early data, and its datagrams are not
/// stable yet.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.udp = true;
    capabilities.streams = true;
    capabilities.migration = true;
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
        let socket = match addr {
            Addr::Ip(ip) => bind(*ip, options.only_ipv6)?,
            Addr::Host(host, port) => bind_host(host, *port, options)?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let tls = server_tls(tls, &self.alpn);
        listeners(socket, tls, limits(&options.streams)?, options)
    }
}

/// The first of the host's addresses that can be bound.
fn bind_host(host: &str, port: u16, options: &ListenOptions) -> Result<UdpSocket> {
    let addrs = (host, port)
        .to_socket_addrs()
        .map_err(|error| Error::with_source(ErrorKind::UnknownHost, error))?;
    let mut last = Error::new(ErrorKind::UnknownHost);
    for addr in addrs {
        match bind(addr, options.only_ipv6) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A UDP socket at `addr`, which is nobody else's.
pub(crate) fn bind(addr: SocketAddr, only_ipv6: Option<bool>) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if let (true, Some(only_ipv6)) = (addr.is_ipv6(), only_ipv6) {
        socket.set_only_v6(only_ipv6)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}
