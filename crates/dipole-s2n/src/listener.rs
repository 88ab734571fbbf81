//! Accepting connections.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dipole_io::{Hand, deal_to};
use dipole_net::{
    Addr, Connection, ErrorKind, Incoming, ListenOptions, Listener, Result, StreamOptions,
};

use crate::conn::S2nConn;
use crate::error::connection_error;
use crate::events::Arrival;
use crate::port::{Bound, Port};

/// One shard of a port.
struct S2nListener {
    port: Arc<Port>,
    hand: Hand<Arrival>,
    streams: StreamOptions,
}

/// The shards of a port.
pub(crate) fn listeners(bound: Bound, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
    let (dealer, hands) = deal_to(options.shards, options.backlog);
    let port = Arc::new(Port::new(bound, dealer)?);
    let shard = |hand| -> Box<dyn Listener> {
        Box::new(S2nListener { port: Arc::clone(&port), hand, streams: options.streams.clone() })
    };
    Ok(hands.into_iter().map(shard).collect())
}

impl Listener for S2nListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        self.port.open()?;
        let Some(arrival) = ready!(self.hand.poll_take(cx)) else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let peer = Addr::Ip(arrival.peer);
        let (bound, streams) = (self.port.local_addr(), self.streams.clone());
        // s2n-quic shakes hands itself, within its deadline; dropped before, the connection is
        // closed when it has.
        let handshake = async move {
            match arrival.shaken.await {
                Ok(Ok(conn)) => {
                    let conn = S2nConn::new(conn, bound, &streams)?;
                    Ok(Connection::Streams(Box::new(conn)))
                }
                Ok(Err(error)) => Err(connection_error(error, None, Default::default())),
                Err(_) => Err(ErrorKind::Closed.into()),
            }
        };
        Poll::Ready(Ok(Incoming::handshake(peer, Box::pin(handshake))))
    }

    fn local_addr(&self) -> Addr {
        Addr::Ip(self.port.local_addr())
    }
}
