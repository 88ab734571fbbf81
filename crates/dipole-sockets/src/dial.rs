//! Before a socket connects: names and options.

use std::io;
use std::net::SocketAddr;

use dipole_net::{DialOptions, Error, ErrorKind, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::bind::tcp_keepalive;

/// Every address of a host, each once, in the resolver's order.
///
/// # Errors
/// `UnknownHost`.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
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

/// A TCP socket that is to connect to `addr`: with its options, bound where a local address is
/// asked for, and still blocking.
///
/// # Errors
/// The system's: no descriptor left, a local address that is not of this machine.
pub fn tcp_socket(addr: SocketAddr, options: &DialOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(interface) = &options.interface {
        bind_to(&socket, interface)?;
    }
    if let Some(local) = options.local {
        socket.bind(&local.into())?;
    }
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(keepalive) = options.keepalive {
        socket.set_tcp_keepalive(&tcp_keepalive(keepalive))?;
    }
    Ok(socket)
}

/// Makes the socket use one interface alone.
#[cfg(target_os = "linux")]
fn bind_to(socket: &Socket, interface: &str) -> io::Result<()> {
    socket.bind_device(Some(interface.as_bytes()))
}

/// Other systems have no such thing, or another.
#[cfg(not(target_os = "linux"))]
fn bind_to(_: &Socket, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A Unix socket that is to connect, still blocking.
///
/// # Errors
/// The process has no descriptor left.
#[cfg(unix)]
pub fn unix_socket() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM, None)
}
