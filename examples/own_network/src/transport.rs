//! The library as a value, and listening.

use dipole_io::BufferPool;
use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

use crate::address::Name;
use crate::listener::PipeListener;
use crate::offer::from_errno;

/// Pipes between processes: a transport and a dialer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pipes {
    pub(crate) buffers: BufferPool,
}

impl Pipes {
    /// With a pool of read and write buffers of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A pipe has no reset, so B48 does not concern this library; and a connection has two
    /// descriptors, not one, so what the kit does about `uses_descriptors` (L5) does not either.
    pub(crate) const CAPABILITIES: Capabilities = {
        let mut capabilities = Capabilities::NONE;
        capabilities.half_close = true;
        capabilities
    };
}

impl Transport for Pipes {
    fn name(&self) -> &'static str {
        "pipes"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// Every shard has a descriptor of its own of the one socket, whose queue they share.
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let (name, socket) = match Name::of(addr)? {
            name if name.is_any() => bind_any()?,
            name => {
                let socket = bound(&name)?;
                (name, socket)
            }
        };
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        listen(&socket, backlog).map_err(from_errno)?;
        let shard = |_| {
            let socket = socket.try_clone()?.into();
            let listener = PipeListener::new(socket, name.addr(), self.buffers.clone());
            Ok(Box::new(listener) as Box<dyn Listener>)
        };
        (0..options.shards.get()).map(shard).collect()
    }
}

/// A free name, and its socket.
fn bind_any() -> Result<(Name, OwnedFd)> {
    for name in Name::candidates() {
        match bound(&name) {
            Ok(socket) => return Ok((name, socket)),
            Err(error) if *error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::AddrInUse))
}

fn bound(name: &Name) -> Result<OwnedFd> {
    let socket = unix_socket().map_err(from_errno)?;
    bind(&socket, &name.socket()?).map_err(from_errno)?;
    Ok(socket)
}

/// A socket that carries offers.
pub(crate) fn unix_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}
