//! What a wrapper is, and how it goes over a transport or a dialer.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

#[cfg(unix)]
use dipole_net::ListeningSocket;
use dipole_net::{
    Addr, BoxFuture, Capabilities, Conn, Connection, DialOptions, Dialer, Driver, Error, ErrorKind,
    Incoming, ListenOptions, Listener, Result, Transport,
};
use tokio::time::{Instant, timeout_at};

/// Something that goes around connections.
pub trait Layer: Send + Sync + 'static {
    /// Wraps a connection. `ticket` is what admitted it; it is dropped with the connection.
    fn wrap(&self, conn: Box<dyn Conn>, origin: Origin, ticket: Ticket) -> Wrapped;

    /// Ready when one more accepted connection is welcome; until then no other is accepted.
    fn poll_admit(&self, cx: &mut Context<'_>) -> Poll<Ticket> {
        let _ = cx;
        Poll::Ready(Ticket::default())
    }

    /// Whether one more connection may be dialled.
    ///
    /// # Errors
    /// `Exhausted`, which is temporary, when there are too many.
    fn admit_dial(&self) -> Result<Ticket> {
        Ok(Ticket::default())
    }
}

/// Which side began a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This one.
    Dialed,
    /// The peer.
    Accepted,
}

/// Keeps the place of a connection; dropping it gives the place back.
#[derive(Default)]
pub struct Ticket {
    _place: Option<Box<dyn Send>>,
}

impl Ticket {
    /// A place that is given back when `place` is dropped.
    #[must_use]
    pub fn new(place: impl Send + 'static) -> Self {
        Self { _place: Some(Box::new(place)) }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

/// A connection with a layer around it, or the promise of one.
pub enum Wrapped {
    /// It can be used at once.
    Ready(Box<dyn Conn>),
    /// Something is exchanged first. The future closes the connection when it is dropped.
    Handshake(BoxFuture<'static, Result<Box<dyn Conn>>>),
}

/// How a layer is put around things.
pub trait LayerExt: Layer + Sized {
    /// The layer over a transport, a dialer, or a value that is both.
    fn over<T>(self, library: T) -> Layered<T> {
        Layered { library, layer: Arc::new(self) }
    }

    /// The layer around one connection, whoever made it.
    ///
    /// # Errors
    /// What the layer exchanges first failed with; the connection is closed then.
    fn around(
        &self,
        conn: Box<dyn Conn>,
        origin: Origin,
    ) -> impl Future<Output = Result<Box<dyn Conn>>> + Send {
        let wrapped = self.wrap(conn, origin, Ticket::default());
        async move {
            match wrapped {
                Wrapped::Ready(conn) => Ok(conn),
                Wrapped::Handshake(handshake) => handshake.await,
            }
        }
    }
}

impl<L: Layer> LayerExt for L {}

/// A network library with a layer over it.
#[derive(Clone)]
pub struct Layered<T> {
    library: T,
    layer: Arc<dyn Layer>,
}

impl<T: Transport> Transport for Layered<T> {
    fn name(&self) -> &'static str {
        self.library.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.library.capabilities()
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let listeners = self.library.listen(addr, options)?;
        let layered = |listener| {
            let layer = self.layer.clone();
            Box::new(LayeredListener { listener, layer, waiting: None }) as Box<dyn Listener>
        };
        Ok(listeners.into_iter().map(layered).collect())
    }

    fn driver(&self) -> Result<Option<Arc<dyn Driver>>> {
        self.library.driver()
    }
}

impl<T: Dialer> Dialer for Layered<T> {
    fn name(&self) -> &'static str {
        self.library.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.library.capabilities()
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let ticket = self.layer.admit_dial()?;
            // A deadline past the end of time is none.
            let deadline = options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            let conn = match self.library.dial_connection(addr, options).await? {
                Connection::Bytes(conn) => conn,
                streams => return Ok(streams),
            };
            let handshake = match self.layer.wrap(conn, Origin::Dialed, ticket) {
                Wrapped::Ready(conn) => return Ok(Connection::Bytes(conn)),
                Wrapped::Handshake(handshake) => handshake,
            };
            let conn = match deadline {
                None => handshake.await,
                Some(deadline) => timeout_at(deadline, handshake)
                    .await
                    .unwrap_or_else(|_| Err(Error::new(ErrorKind::TimedOut))),
            };
            conn.map(Connection::Bytes)
        })
    }
}

impl<T: fmt::Debug> fmt::Debug for Layered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("library", &self.library).finish_non_exhaustive()
    }
}

struct LayeredListener {
    listener: Box<dyn Listener>,
    layer: Arc<dyn Layer>,
    /// Taken from the library, and not yet admitted.
    waiting: Option<Incoming>,
}

impl Listener for LayeredListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        if self.waiting.is_none() {
            self.waiting = Some(ready!(self.listener.poll_accept(cx))?);
        }
        let ticket = ready!(self.layer.poll_admit(cx));
        match self.waiting.take() {
            Some(incoming) => Poll::Ready(Ok(wrap(&self.layer, incoming, ticket))),
            None => Poll::Pending,
        }
    }

    fn local_addr(&self) -> Addr {
        self.listener.local_addr()
    }

    #[cfg(unix)]
    fn socket(&self) -> Result<Option<ListeningSocket>> {
        self.listener.socket()
    }

    fn stop_accepting(&mut self) {
        self.listener.stop_accepting();
    }
}

fn wrap(layer: &Arc<dyn Layer>, incoming: Incoming, ticket: Ticket) -> Incoming {
    let peer = incoming.peer_addr().clone();
    let incoming = match incoming.into_ready() {
        Ok(Connection::Bytes(conn)) => {
            return match layer.wrap(conn, Origin::Accepted, ticket) {
                Wrapped::Ready(conn) => Incoming::ready(peer, Connection::Bytes(conn)),
                Wrapped::Handshake(handshake) => {
                    let handshake = async move { handshake.await.map(Connection::Bytes) };
                    Incoming::handshake(peer, Box::pin(handshake))
                }
            };
        }
        Ok(streams) => return Incoming::ready(peer, streams),
        Err(incoming) => incoming,
    };
    let layer = layer.clone();
    let handshake = async move {
        let conn = match incoming.accept().await? {
            Connection::Bytes(conn) => conn,
            streams => return Ok(streams),
        };
        match layer.wrap(conn, Origin::Accepted, ticket) {
            Wrapped::Ready(conn) => Ok(Connection::Bytes(conn)),
            Wrapped::Handshake(handshake) => handshake.await.map(Connection::Bytes),
        }
    };
    Incoming::handshake(peer, Box::pin(handshake))
}
