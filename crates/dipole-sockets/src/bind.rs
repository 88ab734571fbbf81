//! Binding addresses.

use std::net::SocketAddr;
#[cfg(unix)]
use std::sync::Arc;

#[cfg(unix)]
use dipole_net::Keepsake;
use dipole_net::{Addr, Error, ErrorKind, KeepAlive, ListenOptions, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

#[cfg(unix)]
use crate::unix_path::UnixPath;

/// A socket that is bound and listens; it does not block.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub socket: Socket,
    /// The address that it really got (L2).
    pub addr: Addr,
    /// What a listener on it has to keep alive: the guard of a Unix path, which unlinks it with the
    /// last of the path's listeners (L7).
    #[cfg(unix)]
    pub keepsake: Option<Keepsake>,
}

/// One socket a shard: TCP sockets have a queue each and share the port, Unix sockets and descriptors
/// from elsewhere are clones of one.
///
/// # Errors
/// As [`Transport::listen`](dipole_net::Transport::listen).
pub fn listen(addr: &Addr, options: &ListenOptions) -> Result<Vec<Bound>> {
    let listened = match addr {
        #[cfg(unix)]
        _ if options.descriptor.is_some() => listen_on_descriptor(options),
        Addr::Ip(ip) => listen_tcp(*ip, options),
        Addr::Host(host, port) => listen_host(host, *port, options),
        #[cfg(unix)]
        Addr::Unix(path) => listen_unix_path(path, options),
        #[cfg(target_os = "linux")]
        Addr::Abstract(name) => listen_abstract(name, options),
        _ => Err(Error::new(ErrorKind::Unsupported)),
    };
    listened.map_err(|error| error.context(format!("cannot listen on {addr}")))
}

fn bound_tcp(socket: Socket, options: &ListenOptions) -> Result<Bound> {
    let ip = socket.local_addr()?.as_socket().ok_or(ErrorKind::InvalidInput)?;
    // Linux hands this down to accepted connections, which saves a call for each.
    socket.set_tcp_nodelay(options.nodelay)?;
    let addr = Addr::Ip(ip);
    Ok(Bound {
        socket,
        addr,
        #[cfg(unix)]
        keepsake: None,
    })
}

/// The first of the host's addresses that can be bound.
fn listen_host(host: &str, port: u16, options: &ListenOptions) -> Result<Vec<Bound>> {
    let addrs = std::net::ToSocketAddrs::to_socket_addrs(&(host, port))
        .map_err(|error| Error::with_source(ErrorKind::UnknownHost, error))?;
    let mut last = Error::new(ErrorKind::UnknownHost);
    for addr in addrs {
        match listen_tcp(addr, options) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// One socket a shard, each with a queue of its own (`SO_REUSEPORT`); where the system has no such
/// thing the shards share one socket.
fn listen_tcp(addr: SocketAddr, options: &ListenOptions) -> Result<Vec<Bound>> {
    let first = bind_tcp(addr, options, Sharing::Alone)?;
    let bound = first.local_addr()?.as_socket().ok_or(ErrorKind::InvalidInput)?;
    let mut sockets = vec![first];
    for _ in 1..options.shards.get() {
        let sibling = if SHARES_PORTS {
            bind_tcp(bound, options, Sharing::WithSiblings)?
        } else {
            sockets[0].try_clone()?
        };
        sockets.push(sibling);
    }
    sockets.into_iter().map(|socket| bound_tcp(socket, options)).collect()
}

/// Linux spreads connections over the sockets that share a port; other systems give them to one.
const SHARES_PORTS: bool = cfg!(target_os = "linux");

/// Whether a socket may find others at its address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Nobody: also not another process that shares ports. Siblings may join later.
    Alone,
    /// Sockets of this process that are there already.
    WithSiblings,
}

fn bind_tcp(addr: SocketAddr, options: &ListenOptions, sharing: Sharing) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if let (true, Some(only_ipv6)) = (addr.is_ipv6(), options.only_ipv6) {
        socket.set_only_v6(only_ipv6)?;
    }
    // A port in TIME_WAIT may be taken again. On Windows the option means something else.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    if sharing == Sharing::WithSiblings {
        socket.set_reuse_port(true)?;
    }
    if let Some(keepalive) = options.keepalive {
        socket.set_tcp_keepalive(&tcp_keepalive(keepalive))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    // Set after the bind: so the bind fails when anybody has the port, sharing or not, and the
    // siblings can still join.
    #[cfg(target_os = "linux")]
    if sharing == Sharing::Alone && options.shards.get() > 1 {
        socket.set_reuse_port(true)?;
    }
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

pub(crate) fn tcp_keepalive(keepalive: KeepAlive) -> TcpKeepalive {
    let mut parameters = TcpKeepalive::new().with_time(keepalive.idle);
    if let Some(interval) = keepalive.interval {
        parameters = parameters.with_interval(interval);
    }
    #[cfg(not(windows))]
    if let Some(retries) = keepalive.retries {
        parameters = parameters.with_retries(retries);
    }
    parameters
}

#[cfg(unix)]
fn listen_unix_path(path: &std::path::Path, options: &ListenOptions) -> Result<Vec<Bound>> {
    let address = SockAddr::unix(path)?;
    crate::unix_path::remove_if_dead(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    let owner = UnixPath::bound(path)?;
    if let Some(mode) = options.unix_mode {
        owner.set_mode(mode)?;
    }
    shared_unix(&socket, Addr::unix(path), Some(Arc::new(owner)), options)
}

#[cfg(target_os = "linux")]
fn listen_abstract(name: &[u8], options: &ListenOptions) -> Result<Vec<Bound>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&crate::abstract_address(name)?)?;
    shared_unix(&socket, Addr::Abstract(name.into()), None, options)
}

/// Unix sockets cannot share an address: the shards accept from one queue.
#[cfg(unix)]
fn shared_unix(
    socket: &Socket,
    addr: Addr,
    keepsake: Option<Keepsake>,
    options: &ListenOptions,
) -> Result<Vec<Bound>> {
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let shard = || {
        let socket = socket.try_clone()?;
        Ok(Bound { socket, addr: addr.clone(), keepsake: keepsake.clone() })
    };
    (0..options.shards.get()).map(|_| shard()).collect()
}

/// Listens on a socket that somebody else has bound: the service manager, an earlier process.
#[cfg(unix)]
fn listen_on_descriptor(options: &ListenOptions) -> Result<Vec<Bound>> {
    let Some(descriptor) = &options.descriptor else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let socket = Socket::from(descriptor.try_clone()?);
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    if address.as_socket().is_some() {
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        let shard = |_| bound_tcp(socket.try_clone()?, options);
        return (0..options.shards.get()).map(shard).collect();
    }
    let addr = crate::unix_addr(&address);
    shared_unix(&socket, addr, descriptor.keepsake(), options)
}
