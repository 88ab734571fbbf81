//! One UDP port and the shards behind it.

use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;

use dipole_io::Dealer;
use dipole_net::Result;
use s2n_quic::provider::io::tokio::Provider as Io;
use s2n_quic::provider::limits::Limits;
use s2n_quic::provider::tls::rustls::Server as ServerTls;
use s2n_quic::{Connection, Server};

use crate::config::start_error;

/// A port that is bound, and served from when one of its shards is first polled: on that shard's
/// runtime where it is the only one, on a thread of its own where there are several.
///
/// s2n-quic does all packets of a port in one task, so shards share out what is done with streams,
/// not the protocol's work.
pub(crate) struct Port {
    local: SocketAddr,
    bound: Mutex<Option<Bound>>,
}

/// What it takes to serve the port.
struct Bound {
    socket: UdpSocket,
    tls: ServerTls,
    limits: Limits,
    dealer: Dealer<Connection>,
    shards: NonZeroUsize,
}

impl Port {
    pub(crate) fn new(
        socket: UdpSocket,
        tls: ServerTls,
        limits: Limits,
        dealer: Dealer<Connection>,
        shards: NonZeroUsize,
    ) -> Result<Self> {
        let local = socket.local_addr()?;
        let bound = Bound { socket, tls, limits, dealer, shards };
        Ok(Self { local, bound: Mutex::new(Some(bound)) })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves the port from now on; nothing when that is so already.
    pub(crate) fn open(&self) -> Result<()> {
        match self.bound.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(bound) if bound.shards == NonZeroUsize::MIN => {
                let server = server(bound.socket, bound.tls, bound.limits)?;
                tokio::spawn(deal(server, bound.dealer));
                Ok(())
            }
            Some(bound) => bound.serve_on_a_thread(),
            None => Ok(()),
        }
    }
}

impl Bound {
    fn serve_on_a_thread(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = {
            let _inside = runtime.enter();
            server(self.socket, self.tls, self.limits)?
        };
        let serve = move || runtime.block_on(deal(server, self.dealer));
        thread::Builder::new().name("dipole-s2n".into()).spawn(serve)?;
        Ok(())
    }
}

fn server(socket: UdpSocket, tls: ServerTls, limits: Limits) -> Result<Server> {
    let io = Io::builder().with_rx_socket(socket)?.build()?;
    Server::builder()
        .with_tls(tls)
        .map_err(start_error)?
        .with_limits(limits)
        .map_err(start_error)?
        .with_io(io)
        .map_err(start_error)?
        .start()
        .map_err(start_error)
}

/// Deals the connections out until all shards are gone; then the endpoint takes no more.
async fn deal(mut server: Server, mut dealer: Dealer<Connection>) {
    loop {
        let conn = tokio::select! {
            conn = server.accept() => conn,
            () = dealer.abandoned() => None,
        };
        let Some(conn) = conn else { break };
        // Dropped, when no shard has room, it is closed.
        drop(dealer.deal(conn));
    }
}
