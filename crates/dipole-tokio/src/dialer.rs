//! Dialling.

use std::io;
use std::net::SocketAddr;

use dipole_io::IoConn;
use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};

use crate::happy_eyeballs;
use crate::socket::StreamSocket;
use crate::transport::{CAPABILITIES, Tokio, tcp_keepalive};

impl Dialer for Tokio {
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
                let addrs = look_up(host, *port).await?;
                let connect = |addr| connect_tcp(addr, options);
                tcp_parts(happy_eyeballs::first(addrs, connect).await?)?
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

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| Error::with_source(ErrorKind::UnknownHost, error))?;
    let mut addrs: Vec<SocketAddr> = Vec::new();
    for addr in found {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    Ok(addrs)
}

async fn connect_tcp(addr: SocketAddr, options: &DialOptions) -> Result<TcpStream> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = options.local {
        socket.bind(local)?;
    }
    socket.set_nodelay(options.nodelay)?;
    if let Some(keepalive) = options.keepalive {
        SockRef::from(&socket).set_tcp_keepalive(&tcp_keepalive(keepalive))?;
    }
    let stream = socket.connect(addr).await?;
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
    let local = crate::socket::unix_addr(&SockRef::from(&stream).local_addr()?);
    Ok((StreamSocket::Unix(stream), local, peer.clone()))
}

/// Connecting to an abstract name never waits: it succeeds, or fails at once.
#[cfg(target_os = "linux")]
fn connect_abstract(name: &[u8]) -> io::Result<tokio::net::UnixStream> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let name_with_nul = [&[0], name].concat();
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&socket2::SockAddr::unix(OsStr::from_bytes(&name_with_nul))?)?;
    tokio::net::UnixStream::from_std(socket.into())
}
