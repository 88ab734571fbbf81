//! Listening with TLS.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dipole_net::{
    Addr, Capabilities, Conn, Connection, Driver, ErrorKind, Incoming, ListenOptions, Listener,
    ListeningSocket, Result, Transport,
};

use crate::ServerTls;

/// A transport whose connections are secured; made by [`ServerTls::over`].
#[derive(Clone, Debug)]
pub struct TlsTransport<T> {
    transport: T,
    tls: ServerTls,
}

impl<T: Transport> TlsTransport<T> {
    pub(crate) fn new(transport: T, tls: ServerTls) -> Self {
        Self { transport, tls }
    }
}

impl<T: Transport> Transport for TlsTransport<T> {
    /// That of the library below, which carries the bytes.
    fn name(&self) -> &'static str {
        self.transport.name()
    }

    fn capabilities(&self) -> Capabilities {
        with_tls(self.transport.capabilities())
    }

    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let secured = |lower| {
            // A pool each: a listener and its connections stay on one worker.
            Box::new(TlsListener { lower, tls: self.tls.with_own_buffers() }) as Box<dyn Listener>
        };
        Ok(self.transport.listen(addr, options)?.into_iter().map(secured).collect())
    }

    fn driver(&self) -> Result<Option<Arc<dyn Driver>>> {
        self.transport.driver()
    }
}

/// What a library can do under TLS.
pub(crate) fn with_tls(lower: Capabilities) -> Capabilities {
    let mut capabilities = lower;
    // close_notify ends one direction alone, whatever is below (RFC 8446 section 6.1).
    capabilities.half_close = true;
    capabilities
}

struct TlsListener {
    lower: Box<dyn Listener>,
    tls: ServerTls,
}

impl Listener for TlsListener {
    /// The handshake is left to whoever accepts the connection, off the accept loop (L4).
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let incoming = ready!(self.lower.poll_accept(cx))?;
        let (tls, peer) = (self.tls.clone(), incoming.peer_addr().clone());
        let handshake = Box::pin(async move {
            let conn = bytes_of(incoming.accept().await?)?;
            Ok(Connection::Bytes(tls.accept(conn).await?))
        });
        Poll::Ready(Ok(Incoming::handshake(peer, handshake)))
    }

    fn local_addr(&self) -> Addr {
        self.lower.local_addr()
    }

    fn socket(&self) -> Result<Option<ListeningSocket>> {
        self.lower.socket()
    }

    fn stop_accepting(&mut self) {
        self.lower.stop_accepting();
    }
}

/// Libraries of streams bring their own TLS.
fn bytes_of(connection: Connection) -> Result<Box<dyn Conn>> {
    connection.into_bytes().ok_or_else(|| ErrorKind::Unsupported.into())
}
