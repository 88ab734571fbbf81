//! Accepting connections.

use std::net::UdpSocket;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dipole_io::{Hand, deal_to};
use dipole_net::{
    Addr, Connection, ErrorKind, Incoming, ListenOptions, Listener, Result, StreamConn,
};
use s2n_quic::provider::limits::Limits;
use s2n_quic::provider::tls::rustls::Server as ServerTls;

use crate::conn::S2nConn;
use crate::port::Port;

/// One shard of a port. s2n-quic shakes hands itself, so a connection arrives with that done.
struct S2nListener {
    port: Arc<Port>,
    hand: Hand<s2n_quic::Connection>,
    options: Arc<ListenOptions>,
}

/// The shards of the port that `socket` is bound to.
pub(crate) fn listeners(
    socket: UdpSocket,
    tls: ServerTls,
    limits: Limits,
    options: &ListenOptions,
) -> Result<Vec<Box<dyn Listener>>> {
    let (dealer, hands) = deal_to(options.shards, options.backlog);
    let port = Arc::new(Port::new(socket, tls, limits, dealer, options.shards)?);
    let options = Arc::new(options.clone());
    let shard = |hand| -> Box<dyn Listener> {
        Box::new(S2nListener { port: Arc::clone(&port), hand, options: Arc::clone(&options) })
    };
    Ok(hands.into_iter().map(shard).collect())
}

impl Listener for S2nListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming>> {
        self.port.open()?;
        let Some(conn) = ready!(self.hand.poll_take(cx)) else {
            return Poll::Ready(Err(ErrorKind::Closed.into()));
        };
        let conn = S2nConn::new(conn, self.port.local_addr(), &self.options.streams);
        let peer = conn.peer_addr();
        Poll::Ready(Ok(Incoming::ready(peer, Connection::Streams(Box::new(conn)))))
    }

    fn local_addr(&self) -> Addr {
        Addr::Ip(self.port.local_addr())
    }
}
