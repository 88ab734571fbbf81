//! Accepting connections.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use dipole_io::BufferPool;
use dipole_net::{
    Addr, Connection, Error, ErrorKind, Incoming, Keepsake, Listener, ListeningSocket, Result,
};
use dipole_sockets::Bound;
use socket2::Socket;

use crate::conn::UringConn;
use crate::link::Link;
use crate::ring_socket::RingSocket;
use crate::slots::Key;
use crate::transport::{Uring, output_buffers};

/// Listens for TCP or on a Unix socket.
pub(crate) struct UringListener {
    place: Place,
    addr: Addr,
    keepsake: Option<Keepsake>,
    buffers: BufferPool,
}

/// Where the listening socket is: it joins a ring when it is first polled, on the thread of the
/// worker that serves it.
enum Place {
    NotYet(Uring, Socket),
    OnRing(Link, Key),
    Stopped,
}

impl UringListener {
    pub(crate) fn new(uring: &Uring, bound: Bound) -> Self {
        let Bound { socket, addr, keepsake, .. } = bound;
        let place = Place::NotYet(uring.clone(), socket);
        Self { place, addr, keepsake, buffers: output_buffers() }
    }

    fn on_ring(&mut self) -> Result<(Link, Key)> {
        let link = match &self.place {
            Place::OnRing(link, key) => return Ok((link.clone(), *key)),
            Place::NotYet(uring, _) => uring.link()?,
            Place::Stopped => return Err(ErrorKind::Closed.into()),
        };
        let Place::NotYet(_, socket) = std::mem::replace(&mut self.place, Place::Stopped) else {
            return Err(ErrorKind::Closed.into());
        };
        // The ring waits for the socket itself.
        socket.set_nonblocking(false)?;
        let key = link.shared.with(|reactor| reactor.add_listener(OwnedFd::from(socket)));
        self.place = Place::OnRing(link.clone(), key);
        Ok((link, key))
    }

    fn addresses(&self, socket: &RingSocket) -> Result<(Addr, Addr)> {
        let found = socket.with(|socket| match &self.addr {
            Addr::Ip(addr) => {
                let peer = socket.peer_addr()?;
                let local = match addr.ip().is_unspecified() {
                    true => socket.local_addr()?.as_socket().unwrap_or(*addr),
                    false => *addr,
                };
                // Gone already: the system says so with an address of no family.
                let peer = peer.as_socket().ok_or(io::ErrorKind::NotConnected)?;
                io::Result::Ok((Addr::Ip(local), Addr::Ip(peer)))
            }
            addr => {
                let peer = socket.peer_addr()?;
                let peer = peer.as_pathname().map_or(Addr::Unnamed, Addr::unix);
                Ok((addr.clone(), peer))
            }
        });
        Ok(found.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))?)
    }
}

impl Listener for UringListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let (link, key) = self.on_ring()?;
        let accepted = link.shared.with(|reactor| {
            let descriptor = ready!(reactor.poll_accept(key, cx))?;
            Poll::Ready(io::Result::Ok(reactor.add_socket(descriptor)))
        });
        let socket = RingSocket::new(link, ready!(accepted)?);
        // What has no addresses any more was reset while it was queued; a server accepts on at once.
        let gone = |error| Error::with_source(ErrorKind::Reset, error);
        let (local, peer) = self.addresses(&socket).map_err(gone)?;
        let conn = UringConn::new(socket, local, peer.clone(), &self.buffers);
        Poll::Ready(Ok(Incoming::ready(peer, Connection::Bytes(Box::new(conn)))))
    }

    fn local_addr(&self) -> Addr {
        self.addr.clone()
    }

    fn socket(&self) -> Result<Option<ListeningSocket>> {
        let descriptor = match &self.place {
            Place::NotYet(_, socket) => Some(socket.as_fd().try_clone_to_owned()?),
            Place::OnRing(link, key) => {
                let clone = |reactor: &mut crate::reactor::Reactor<_>| {
                    reactor.descriptor(*key).map(OwnedFd::try_clone).transpose()
                };
                link.shared.with(clone)?
            }
            Place::Stopped => None,
        };
        let socket = descriptor.map(ListeningSocket::new);
        Ok(match &self.keepsake {
            Some(keepsake) => socket.map(|socket| socket.keeping(keepsake.clone())),
            None => socket,
        })
    }

    fn stop_accepting(&mut self) {
        match &self.place {
            Place::NotYet(..) => self.place = Place::Stopped,
            Place::OnRing(link, key) => link.shared.with(|reactor| reactor.stop_accepting(*key)),
            Place::Stopped => {}
        }
    }
}

impl Drop for UringListener {
    fn drop(&mut self) {
        if let Place::OnRing(link, key) = &self.place {
            let socket = link.shared.with(|reactor| {
                let socket = reactor.listening_socket(*key);
                reactor.close(*key);
                socket
            });
            // The kernel lets go of the socket with the next turn: on the ring's own thread that is
            // now, and a ring with a thread of its own turns soon, so that the address is free.
            link.turn_if_here();
            link.wait_in_background(|| socket.strong_count() == 0);
        }
    }
}
