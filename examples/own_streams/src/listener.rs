//! Accepting connections.

use std::task::{Context, Poll, ready};

#[cfg(unix)]
use dipole_net::ListeningSocket;
use dipole_net::{Addr, ErrorKind, Incoming, Listener, Result, StreamOptions};

use crate::handshake;
use crate::state::End;

/// A listener over one of byte streams.
pub(crate) struct MuxListener {
    under: Box<dyn Listener>,
    options: StreamOptions,
}

impl MuxListener {
    pub(crate) fn new(under: Box<dyn Listener>, options: StreamOptions) -> Self {
        Self { under, options }
    }
}

impl Listener for MuxListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let incoming = ready!(self.under.poll_accept(cx))?;
        let (peer, options) = (incoming.peer_addr().clone(), self.options.clone());
        let handshake = Box::pin(async move {
            let conn = incoming.accept().await?.into_bytes().ok_or(ErrorKind::Unsupported)?;
            handshake::connection(conn, End::Listener, &options).await
        });
        Poll::Ready(Ok(Incoming::handshake(peer, handshake)))
    }

    fn local_addr(&self) -> Addr {
        self.under.local_addr()
    }

    #[cfg(unix)]
    fn socket(&self) -> Result<Option<ListeningSocket>> {
        self.under.socket()
    }

    fn stop_accepting(&mut self) {
        self.under.stop_accepting();
    }
}
