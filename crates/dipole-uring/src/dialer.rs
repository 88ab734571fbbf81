//! Dialling.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, ErrorKind, Result,
};
use dipole_sockets::{
    abstract_address, first_connected, look_up, tcp_socket, unix_addr, unix_socket,
};
use socket2::{SockAddr, Socket};

use crate::conn::UringConn;
use crate::ring_socket::RingSocket;
use crate::transport::{CAPABILITIES, Uring};

impl Dialer for Uring {
    fn name(&self) -> &'static str {
        dipole_net::Transport::name(self)
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let dial = self.dial(addr, options);
            let dialled = match options.timeout {
                None => dial.await,
                Some(timeout) => tokio::time::timeout(timeout, dial)
                    .await
                    .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
            };
            dialled.map_err(|error| error.context(format!("cannot connect to {addr}")))
        })
    }
}

impl Uring {
    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<Connection> {
        let (socket, local, peer) = match addr {
            Addr::Ip(ip) => self.dial_tcp(*ip, options).await?,
            Addr::Host(host, port) => {
                let addrs = look_up(host, *port).await?;
                first_connected(addrs, |addr| self.dial_tcp(addr, options)).await?
            }
            Addr::Unix(path) => self.dial_unix(SockAddr::unix(path)?, addr).await?,
            Addr::Abstract(name) => self.dial_unix(abstract_address(name)?, addr).await?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let conn = UringConn::new(socket, local, peer, self.buffers());
        Ok(Connection::Bytes(Box::new(conn)))
    }

    async fn dial_tcp(
        &self,
        addr: SocketAddr,
        options: &DialOptions,
    ) -> Result<(RingSocket, Addr, Addr)> {
        let socket = self.connect(tcp_socket(addr, options)?, addr.into()).await?;
        let local = local_addr(&socket)?.as_socket().ok_or(ErrorKind::Closed)?;
        // On loopback a port of the ephemeral range that nobody listens on may connect to itself
        // (simultaneous open, RFC 9293 section 3.5).
        if local == addr {
            return Err(ErrorKind::Refused.into());
        }
        Ok((socket, Addr::Ip(local), Addr::Ip(addr)))
    }

    async fn dial_unix(&self, to: SockAddr, peer: &Addr) -> Result<(RingSocket, Addr, Addr)> {
        let socket = self.connect(unix_socket()?, to).await?;
        let local = unix_addr(&local_addr(&socket)?);
        Ok((socket, local, peer.clone()))
    }

    /// Connects on a ring. Dropped, the socket is closed.
    async fn connect(&self, socket: Socket, to: SockAddr) -> Result<RingSocket> {
        let link = self.link()?;
        let key = link.shared.with(|reactor| {
            let key = reactor.add_socket(OwnedFd::from(socket));
            if let Some((socket, engine)) = reactor.socket(key) {
                socket.connect(key, to, engine);
            }
            key
        });
        let socket = RingSocket::new(link, key);
        poll_fn(|cx| socket.poll_connected(cx)).await?;
        Ok(socket)
    }
}

fn local_addr(socket: &RingSocket) -> Result<SockAddr> {
    let found = socket.with(|socket| socket.local_addr());
    Ok(found.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))?)
}
