//! Accepting connections.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use dipole_io::{BufferPool, IoConn};
use dipole_net::{Addr, Connection, ErrorKind, Incoming, ListenOptions, Listener, Result};
#[cfg(unix)]
use dipole_net::{Keepsake, ListeningSocket};
use dipole_sockets::Bound;

use crate::socket::StreamSocket;

/// A listener on a socket of either family.
pub(crate) fn over(bound: Bound, options: &ListenOptions) -> Box<dyn Listener> {
    let buffers = BufferPool::default();
    #[cfg(target_os = "linux")]
    let _ = options;
    match bound.addr {
        Addr::Ip(addr) => Box::new(TcpListener {
            socket: Registered::NotYet(Some(bound.socket.into())),
            addr,
            buffers,
            #[cfg(not(target_os = "linux"))]
            nodelay: options.nodelay,
        }),
        #[cfg(unix)]
        addr => Box::new(UnixListener {
            socket: Registered::NotYet(Some(bound.socket.into())),
            addr,
            buffers,
            path: bound.keepsake,
        }),
        #[cfg(not(unix))]
        addr => unreachable!("{addr} is not listened on here"),
    }
}

/// A listening socket that joins tokio's event source when it is first polled: on the thread and
/// the runtime of the worker that serves it.
enum Registered<Std, Tokio> {
    NotYet(Option<Std>),
    Yes(Tokio),
    /// It takes no more connections; what it would have taken is in the socket's queue.
    Stopped,
}

impl<Std, Tokio> Registered<Std, Tokio> {
    fn get(&mut self, register: impl FnOnce(Std) -> io::Result<Tokio>) -> Result<&Tokio> {
        if let Self::NotYet(listener) = self {
            let listener = listener.take().ok_or(ErrorKind::Closed)?;
            *self = Self::Yes(register(listener)?);
        }
        match self {
            Self::Yes(listener) => Ok(listener),
            Self::NotYet(_) | Self::Stopped => Err(ErrorKind::Closed.into()),
        }
    }
}

#[cfg(unix)]
impl<Std: AsFd, Tokio: AsFd> Registered<Std, Tokio> {
    /// Another descriptor of the same socket; `None` when it has been given up.
    fn socket(&self) -> Result<Option<ListeningSocket>> {
        let descriptor = match self {
            Self::NotYet(Some(listener)) => listener.as_fd(),
            Self::Yes(listener) => listener.as_fd(),
            Self::NotYet(None) | Self::Stopped => return Ok(None),
        };
        Ok(Some(descriptor.try_clone_to_owned()?.into()))
    }
}

/// Listens for TCP.
struct TcpListener {
    socket: Registered<std::net::TcpListener, tokio::net::TcpListener>,
    addr: SocketAddr,
    buffers: BufferPool,
    /// What accepted sockets do not inherit from the listening one on this system.
    #[cfg(not(target_os = "linux"))]
    nodelay: bool,
}

impl Listener for TcpListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let socket = self.socket.get(tokio::net::TcpListener::from_std)?;
        let (stream, peer) = ready!(socket.poll_accept(cx))?;
        #[cfg(not(target_os = "linux"))]
        stream.set_nodelay(self.nodelay)?;
        let local = if self.addr.ip().is_unspecified() { stream.local_addr()? } else { self.addr };
        let peer = Addr::Ip(peer);
        let conn =
            IoConn::new(StreamSocket::Tcp(stream), Addr::Ip(local), peer.clone(), &self.buffers);
        Poll::Ready(Ok(Incoming::ready(peer, Connection::Bytes(Box::new(conn)))))
    }

    fn local_addr(&self) -> Addr {
        Addr::Ip(self.addr)
    }

    #[cfg(unix)]
    fn socket(&self) -> Result<Option<ListeningSocket>> {
        self.socket.socket()
    }

    fn stop_accepting(&mut self) {
        self.socket = Registered::Stopped;
    }
}

/// Listens on a Unix socket.
#[cfg(unix)]
struct UnixListener {
    socket: Registered<std::os::unix::net::UnixListener, tokio::net::UnixListener>,
    addr: Addr,
    buffers: BufferPool,
    /// Unlinks the path with the last of its shards.
    path: Option<Keepsake>,
}

#[cfg(unix)]
impl Listener for UnixListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let socket = self.socket.get(tokio::net::UnixListener::from_std)?;
        let (stream, peer) = ready!(socket.poll_accept(cx))?;
        let peer = peer.as_pathname().map_or(Addr::Unnamed, Addr::unix);
        let stream = StreamSocket::Unix(stream);
        let conn = IoConn::new(stream, self.addr.clone(), peer.clone(), &self.buffers);
        Poll::Ready(Ok(Incoming::ready(peer, Connection::Bytes(Box::new(conn)))))
    }

    fn local_addr(&self) -> Addr {
        self.addr.clone()
    }

    fn socket(&self) -> Result<Option<ListeningSocket>> {
        let socket = self.socket.socket()?;
        Ok(match &self.path {
            Some(path) => socket.map(|socket| socket.keeping(path.clone())),
            None => socket,
        })
    }

    fn stop_accepting(&mut self) {
        self.socket = Registered::Stopped;
    }
}
