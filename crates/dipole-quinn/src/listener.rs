//! Accepting connections.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dipole_io::{Hand, QuicOptions, deal_to};
use dipole_net::{Addr, ErrorKind, Incoming, ListenOptions, Listener, Result};

use crate::handshake::{Arrival, accept};
use crate::port::Port;
use crate::sockets::Socket;

/// One shard of a port.
struct QuinnListener {
    port: Arc<Port>,
    hand: Hand<Arrival>,
    options: Arc<ListenOptions>,
}

/// The shards of the port that `socket` is bound to.
pub(crate) fn listeners(
    socket: Socket,
    config: quinn::ServerConfig,
    options: &ListenOptions,
    endpoint: QuicOptions,
) -> Result<Vec<Box<dyn Listener>>> {
    let (dealer, hands) = deal_to(options.shards, options.backlog);
    let port = Arc::new(Port::new(socket, config, dealer, options.shards, endpoint)?);
    let options = Arc::new(options.clone());
    let shard = |hand| -> Box<dyn Listener> {
        Box::new(QuinnListener { port: Arc::clone(&port), hand, options: Arc::clone(&options) })
    };
    Ok(hands.into_iter().map(shard).collect())
}

impl Listener for QuinnListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        self.port.open()?;
        let Some(arrival) = ready!(self.hand.poll_take(cx)) else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let peer = Addr::Ip(arrival.peer());
        let bound = self.port.local_addr();
        let handshake = accept(arrival, bound, self.options.streams.clone());
        Poll::Ready(Ok(Incoming::handshake(peer, Box::pin(handshake))))
    }

    fn local_addr(&self) -> Addr {
        Addr::Ip(self.port.local_addr())
    }
}
