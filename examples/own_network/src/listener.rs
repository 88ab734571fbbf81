//! Accepting connections.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener as StdListener;
use std::task::{Context, Poll, ready};

use dipole_io::BufferPool;
use dipole_net::{Addr, Connection, ErrorKind, Incoming, Listener, Result};
use tokio::net::{UnixListener, UnixStream};

use crate::{conn, offer};

/// One shard of a name.
pub(crate) struct PipeListener {
    socket: Socket,
    addr: Addr,
    buffers: BufferPool,
}

/// The socket joins tokio's event source when it is first polled, which is on its worker's runtime.
enum Socket {
    NotYet(Option<StdListener>),
    Registered(UnixListener),
}

impl PipeListener {
    pub(crate) fn new(socket: StdListener, addr: Addr, buffers: BufferPool) -> Self {
        Self { socket: Socket::NotYet(Some(socket)), addr, buffers }
    }

    fn socket(&mut self) -> Result<&UnixListener> {
        if let Socket::NotYet(socket) = &mut self.socket {
            let socket = socket.take().ok_or(ErrorKind::Closed)?;
            self.socket = Socket::Registered(UnixListener::from_std(socket)?);
        }
        match &self.socket {
            Socket::Registered(socket) => Ok(socket),
            Socket::NotYet(_) => Err(ErrorKind::Closed.into()),
        }
    }
}

impl Listener for PipeListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let (socket, _) = ready!(self.socket()?.poll_accept(cx))?;
        let handshake = take_offer(socket, self.addr.clone(), self.buffers.clone());
        Poll::Ready(Ok(Incoming::handshake(Addr::Unnamed, Box::pin(handshake))))
    }

    fn local_addr(&self) -> Addr {
        self.addr.clone()
    }
}

/// The offer may come later than the connection that carries it, or never: the server has a
/// deadline for handshakes.
async fn take_offer(socket: UnixStream, local: Addr, buffers: BufferPool) -> Result<Connection> {
    loop {
        socket.readable().await?;
        let ends = socket.try_io(tokio::io::Interest::READABLE, || {
            // What `try_io` has to hear, so that it waits for the event source again.
            match offer::receive(socket.as_fd()) {
                Ok(None) => Err(std::io::ErrorKind::WouldBlock.into()),
                received => Ok(received),
            }
        });
        match ends {
            Ok(received) => {
                let ends = received?.ok_or(ErrorKind::Closed)?;
                return conn::over(ends, local, Addr::Unnamed, &buffers);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}
