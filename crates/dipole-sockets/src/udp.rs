//! UDP sockets for QUIC.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use dipole_net::{Addr, Error, ErrorKind, ListenOptions, Result};
use socket2::{Domain, Protocol, Socket, Type};

use crate::dial::look_up;
use crate::happy_eyeballs::first;

/// A UDP socket at `addr` that is nobody else's, at a host's first address that can be bound; with
/// buffers of about `buffer` bytes.
///
/// # Errors
/// The system's, `UnknownHost`, or `Unsupported` for an address that UDP has not.
pub fn listen_udp(addr: &Addr, options: &ListenOptions, buffer: usize) -> Result<UdpSocket> {
    match addr {
        Addr::Ip(ip) => bind(*ip, options.only_ipv6, buffer),
        Addr::Host(host, port) => {
            let addrs = (&**host, *port)
                .to_socket_addrs()
                .map_err(|error| Error::with_source(ErrorKind::UnknownHost, error))?;
            let mut last = Error::new(ErrorKind::UnknownHost);
            for addr in addrs {
                match bind(addr, options.only_ipv6, buffer) {
                    Ok(socket) => return Ok(socket),
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
        _ => Err(ErrorKind::Unsupported.into()),
    }
}

/// A UDP socket that is to send to `peer`, from `local` where that is asked for, and the address
/// that `peer` will see unless something on the way changes it.
///
/// # Errors
/// The system's; `Unreachable` when no way leads to `peer`.
pub fn dial_udp(
    peer: SocketAddr,
    local: Option<SocketAddr>,
    buffer: usize,
) -> Result<(UdpSocket, SocketAddr)> {
    let source = source(peer, local)?;
    let socket = bind(local.unwrap_or_else(|| SocketAddr::new(any(peer), 0)), None, buffer)?;
    let local = SocketAddr::new(source, socket.local_addr()?.port());
    Ok((socket, local))
}

/// Connects to `addr` by `connect`, which is given an address and the name it was asked for by: to
/// an address at once, to a host by all its addresses, raced (D5). All within `timeout`; `None` is
/// no limit.
///
/// # Errors
/// What `connect` gives, `UnknownHost`, or `TimedOut`; each says what could not be connected to.
pub async fn dial_host<T, F>(
    addr: &Addr,
    timeout: Option<Duration>,
    connect: impl Fn(SocketAddr, String) -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>> + Send,
{
    let dial = async {
        match addr {
            Addr::Ip(ip) => connect(*ip, ip.ip().to_string()).await,
            Addr::Host(host, port) => {
                let addrs = look_up(host, *port).await?;
                first(addrs, |addr| connect(addr, host.to_string())).await
            }
            _ => Err(ErrorKind::Unsupported.into()),
        }
    };
    let dialled = match timeout {
        None => dial.await,
        Some(timeout) => tokio::time::timeout(timeout, dial)
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
    };
    dialled.map_err(|error| error.context(format!("cannot connect to {addr}")))
}

fn bind(addr: SocketAddr, only_ipv6: Option<bool>, buffer: usize) -> Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    if let (true, Some(only_ipv6)) = (addr.is_ipv6(), only_ipv6) {
        socket.set_only_v6(only_ipv6)?;
    }
    socket.set_nonblocking(true)?;
    // The system gives what it allows; less is slower, not wrong.
    drop(socket.set_recv_buffer_size(buffer));
    drop(socket.set_send_buffer_size(buffer));
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Where packets to `peer` come from. A socket that is connected and dropped finds out, and that
/// no way leads there; it sends nothing.
fn source(peer: SocketAddr, local: Option<SocketAddr>) -> Result<IpAddr> {
    let from = local.map_or(any(peer), |local| local.ip());
    let socket = UdpSocket::bind((from, 0))?;
    socket.connect(peer)?;
    Ok(socket.local_addr()?.ip())
}

fn any(peer: SocketAddr) -> IpAddr {
    match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}
