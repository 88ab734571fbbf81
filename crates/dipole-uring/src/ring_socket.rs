//! A socket on a ring, from the outside of the ring's lock.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use socket2::SockRef;

use crate::link::Link;
use crate::reactor::{Engine, Reactor, Socket};
use crate::ring::Linux;
use crate::slots::Key;

/// A socket on a ring; closed when dropped.
pub(crate) struct RingSocket {
    pub(crate) link: Link,
    key: Key,
}

impl RingSocket {
    pub(crate) fn new(link: Link, key: Key) -> Self {
        Self { link, key }
    }

    pub(crate) fn poll_connected(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.link.shared.with(|reactor| match reactor.socket(self.key) {
            Some((socket, engine)) => socket.poll_sent(self.key, cx, engine),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        })
    }

    /// Acts on the ring's socket; `None` when the ring has ended.
    #[inline]
    pub(crate) fn on_ring<T>(
        &self,
        act: impl FnOnce(&mut Socket<OwnedFd>, Key, &mut Engine<Linux>) -> T,
    ) -> Option<T> {
        let key = self.key;
        self.link.shared.with(|reactor| {
            let (socket, engine) = reactor.socket(key)?;
            Some(act(socket, key, engine))
        })
    }

    /// Acts on the socket itself; `None` when the ring has ended.
    pub(crate) fn with<T>(&self, act: impl FnOnce(SockRef<'_>) -> T) -> Option<T> {
        let act = |reactor: &mut Reactor<Linux>| {
            reactor.descriptor(self.key).map(|descriptor| act(SockRef::from(descriptor)))
        };
        self.link.shared.with(act)
    }
}

impl Drop for RingSocket {
    fn drop(&mut self) {
        self.link.shared.with(|reactor| reactor.close(self.key));
    }
}
