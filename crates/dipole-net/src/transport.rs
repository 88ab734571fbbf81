//! Listening.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

#[cfg(unix)]
use crate::ListeningSocket;
use crate::{Addr, Capabilities, Driver, Incoming, Result, StreamOptions};

/// The listening half of a network library: a value that makes listeners.
pub trait Transport: Send + Sync {
    /// The library's name, one word: `tokio`, `uring`, `sim`.
    fn name(&self) -> &'static str;

    /// What the library can do.
    fn capabilities(&self) -> Capabilities;

    /// Binds `addr` and gives [`options.shards`](ListenOptions::shards) listeners that share it,
    /// one for each worker; every one of them gets connections (L3).
    ///
    /// Connections are queued from now on. Needs no runtime: a listener registers with its event
    /// source when it is first polled, on whatever thread that is. Port 0 becomes a real port, the
    /// same for all (L2).
    ///
    /// # Errors
    /// `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, `NotFound`, `UnknownHost`,
    /// `InvalidInput` for a path that is too long, or `Unsupported` for an address of another
    /// library (L1).
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>>;

    /// Makes the event source of this thread, where the library has one of its own; `None` where it
    /// has not, or the thread has one already.
    ///
    /// # Errors
    /// It cannot be made; `Unsupported` where the operating system does not allow it.
    fn driver(&self) -> Result<Option<Arc<dyn Driver>>> {
        Ok(None)
    }
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn name(&self) -> &'static str {
        (**self).name()
    }
    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        (**self).listen(addr, options)
    }
    fn driver(&self) -> Result<Option<Arc<dyn Driver>>> {
        (**self).driver()
    }
}

/// Gives incoming connections; dropping it stops listening.
pub trait Listener: Send {
    /// The next connection.
    ///
    /// # Errors
    /// An error of one connection or of this moment; the listener MUST stay usable after it. `Reset`
    /// is of one connection, whose client has gone: the caller polls again at once. After any other
    /// it backs off first (L5).
    ///
    /// # Cancel safety
    /// No connection is lost between two polls.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>>;

    /// The address that it really got (L2).
    fn local_addr(&self) -> Addr;

    /// The listening socket, for a listener that is to go on where this one ends: another
    /// library's, another process's (L13). `None` where the library has no descriptor of it.
    ///
    /// # Errors
    /// The process has no descriptor left.
    #[cfg(unix)]
    fn socket(&self) -> Result<Option<ListeningSocket>> {
        Ok(None)
    }

    /// Takes no further connection out of the socket's queue. From now on
    /// [`poll_accept`](Self::poll_accept) gives those that this listener holds already, and then
    /// `Err(Closed)`: so that none is lost when another listener goes on with the socket (L13).
    ///
    /// A listener without a [`socket`](Self::socket) has nobody to go on after it, and may ignore
    /// this.
    fn stop_accepting(&mut self) {}
}

/// How to listen. What a library has no use for, it leaves alone.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListenOptions {
    /// How many listeners share the address. Default 1.
    pub shards: NonZeroUsize,
    /// Connections that the kernel or the library queues before they are accepted; further ones
    /// wait or fail on the dialling side. Default 1024.
    pub backlog: u32,
    /// Small writes are sent at once (B53). Default true.
    pub nodelay: bool,
    /// Probes that find dead peers; `None`, the default, is the system's setting.
    pub keepalive: Option<KeepAlive>,
    /// An IPv6 address takes IPv6 alone (`Some(true)`), IPv4 as well (`Some(false)`), or as the
    /// system is set up (`None`, the default).
    pub only_ipv6: Option<bool>,
    /// The permissions of a Unix socket's path, such as `0o660`; `None` leaves the process's mask.
    pub unix_mode: Option<u32>,
    /// How connections of many streams behave.
    pub streams: StreamOptions,
    /// A listening socket opened elsewhere, used instead of binding (L6). All shards accept from
    /// it.
    #[cfg(unix)]
    pub descriptor: Option<ListeningSocket>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            shards: NonZeroUsize::MIN,
            backlog: 1024,
            nodelay: true,
            keepalive: None,
            only_ipv6: None,
            unix_mode: None,
            streams: StreamOptions::default(),
            #[cfg(unix)]
            descriptor: None,
        }
    }
}

/// Probes of an idle connection (RFC 9293 section 3.8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection is silent before the first probe.
    pub idle: Duration,
    /// How long between two probes; `None` is the system's setting.
    pub interval: Option<Duration>,
    /// After how many unanswered probes it is given up; `None` is the system's setting.
    pub retries: Option<u32>,
}
