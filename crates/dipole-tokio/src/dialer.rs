//! Dialling.

use std::io;
use std::net::SocketAddr;

use dipole_io::IoConn;
use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, ErrorKind, Result,
};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::socket::StreamSocket;
use crate::transport::{CAPABILITIES, Tokio};

impl Dialer for Tokio {
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

impl Tokio {
    async fn dial(&self, addr: &Addr, options: &DialOptions) -> Result<Connection> {
        let (socket, local, peer) = match addr {
            Addr::Ip(ip) => tcp_parts(connect_tcp(*ip, options).await?)?,
            Addr::Host(host, port) => {
                let addrs = dipole_sockets::look_up(host, *port).await?;
                let connect = |addr| connect_tcp(addr, options);
                tcp_parts(dipole_sockets::first_connected(addrs, connect).await?)?
            }
            #[cfg(unix)]
            Addr::Unix(path) => unix_parts(tokio::net::UnixStream::connect(path).await?, addr)?,
            #[cfg(target_os = "linux")]
            Addr::Abstract(name) => unix_parts(connect_abstract(name)?, addr)?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let conn = IoConn::new(socket, local, peer, &self.buffers);
        Ok(Connection::Bytes(Box::new(conn)))
    }
}

async fn connect_tcp(addr: SocketAddr, options: &DialOptions) -> Result<TcpStream> {
    let socket = dipole_sockets::tcp_socket(addr, options)?;
    socket.set_nonblocking(true)?;
    let stream = TcpSocket::from_std_stream(socket.into()).connect(addr).await?;
    // On loopback a port of the ephemeral range that nobody listens on may connect to itself
    // (simultaneous open, RFC 9293 section 3.5).
    if stream.local_addr()? == addr {
        return Err(ErrorKind::Refused.into());
    }
    Ok(stream)
}

fn tcp_parts(stream: TcpStream) -> io::Result<(StreamSocket, Addr, Addr)> {
    let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
    Ok((StreamSocket::Tcp(stream), Addr::Ip(local), Addr::Ip(peer)))
}

#[cfg(unix)]
fn unix_parts(
    stream: tokio::net::UnixStream,
    peer: &Addr,
) -> io::Result<(StreamSocket, Addr, Addr)> {
    let local = dipole_sockets::unix_addr(&SockRef::from(&stream).local_addr()?);
    Ok((StreamSocket::Unix(stream), local, peer.clone()))
}

/// Connecting to an abstract name never waits: it succeeds, or fails at once.
#[cfg(target_os = "linux")]
fn connect_abstract(name: &[u8]) -> io::Result<tokio::net::UnixStream> {
    let socket = dipole_sockets::unix_socket()?;
    socket.set_nonblocking(true)?;
    socket.connect(&dipole_sockets::abstract_address(name)?)?;
    tokio::net::UnixStream::from_std(socket.into())
}
