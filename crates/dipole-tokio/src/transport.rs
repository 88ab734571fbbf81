//! Binding addresses.

use std::io;
use std::net::SocketAddr;

use dipole_io::BufferPool;
use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, KeepAlive, ListenOptions, Listener, Result, Transport,
};
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::listener::tcp_listener;
#[cfg(unix)]
use crate::{listener::unix_listener, unix_path::UnixPath};
#[cfg(unix)]
use dipole_net::Keepsake;

/// TCP and Unix sockets on tokio: a transport and a dialer.
#[derive(Debug, Clone, Default)]
pub struct Tokio {
    pub(crate) buffers: BufferPool,
}

impl Tokio {
    /// With a pool of read and write buffers of its own for dialled connections; each listener has
    /// another.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What this library can do on this platform.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::NONE;
    capabilities.tcp = true;
    capabilities.host_names = true;
    capabilities.unix_paths = cfg!(unix);
    capabilities.unix_abstract = cfg!(target_os = "linux");
    capabilities.half_close = true;
    capabilities.reset = true;
    capabilities.descriptors = cfg!(unix);
    capabilities.uses_descriptors = true;
    capabilities
};

impl Transport for Tokio {
    fn name(&self) -> &'static str {
        "tokio"
    }

    fn capabilities(&self) -> Capabilities {
        CAPABILITIES
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
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
}

/// The first of the host's addresses that can be bound.
fn listen_host(host: &str, port: u16, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
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
fn listen_tcp(addr: SocketAddr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
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
    let listeners = sockets.into_iter().map(|socket| tcp_listener(socket.into(), options));
    Ok(listeners.collect::<io::Result<_>>()?)
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
    // Linux hands these down to accepted connections, which saves a call for each.
    socket.set_tcp_nodelay(options.nodelay)?;
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
fn listen_unix_path(
    path: &std::path::Path,
    options: &ListenOptions,
) -> Result<Vec<Box<dyn Listener>>> {
    let address = SockAddr::unix(path)?;
    crate::unix_path::remove_if_dead(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    let owner = UnixPath::bound(path)?;
    if let Some(mode) = options.unix_mode {
        owner.set_mode(mode)?;
    }
    shared_unix(&socket, Addr::unix(path), Some(std::sync::Arc::new(owner)), options)
}

#[cfg(target_os = "linux")]
fn listen_abstract(name: &[u8], options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let name_with_nul = [&[0], name].concat();
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(OsStr::from_bytes(&name_with_nul))?)?;
    shared_unix(&socket, Addr::Abstract(name.into()), None, options)
}

/// Unix sockets cannot share an address: the shards accept from one queue.
#[cfg(unix)]
fn shared_unix(
    socket: &Socket,
    addr: Addr,
    keepsake: Option<Keepsake>,
    options: &ListenOptions,
) -> Result<Vec<Box<dyn Listener>>> {
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    let listener = || {
        let shard: std::os::unix::net::UnixListener = socket.try_clone()?.into();
        Ok(unix_listener(shard, addr.clone(), keepsake.clone()))
    };
    (0..options.shards.get()).map(|_| listener()).collect()
}

/// Listens on a socket that somebody else has bound: the service manager, an earlier process.
#[cfg(unix)]
fn listen_on_descriptor(options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
    let Some(descriptor) = &options.descriptor else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let socket = Socket::from(descriptor.try_clone()?);
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    if address.as_socket().is_some() {
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        let shard = || -> io::Result<_> { tcp_listener(socket.try_clone()?.into(), options) };
        return Ok((0..options.shards.get()).map(|_| shard()).collect::<io::Result<_>>()?);
    }
    let addr = crate::socket::unix_addr(&address);
    shared_unix(&socket, addr, descriptor.keepsake(), options)
}
