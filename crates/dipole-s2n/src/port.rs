//! One UDP port and the shards behind it.

use std::convert::Infallible;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use dipole_io::{Dealer, QuicOptions};
use dipole_net::Result;
use dipole_tls::ServerTls;
use s2n_quic::Server;
use s2n_quic::provider::limits::Limits;
use tokio::sync::mpsc;

use crate::config::{Attempts, listening_io, server_tls, start_error};
use crate::datagrams::{Queues, with_queues};
use crate::events::{Arrival, ConnectionEvents, ServerEvents};

/// A port that is bound, and served from when one of its shards is first polled: on that shard's
/// runtime where it is the only one, on a thread of its own where there are several.
///
/// s2n-quic does all packets of a port in one task, so shards share out what is done with streams,
/// not the protocol's work.
pub(crate) struct Port {
    local: SocketAddr,
    bound: Mutex<Option<(Bound, Dealer<Arrival>)>>,
}

/// What the packets that are handed to the socket's task take to leave.
const LAST_PACKETS: Duration = Duration::from_millis(20);

/// What it takes to serve a port.
pub(crate) struct Bound {
    pub(crate) socket: UdpSocket,
    pub(crate) tls: ServerTls,
    pub(crate) limits: Limits,
    pub(crate) datagrams: Queues,
    pub(crate) options: QuicOptions,
    pub(crate) shards: NonZeroUsize,
}

impl Port {
    pub(crate) fn new(bound: Bound, dealer: Dealer<Arrival>) -> Result<Self> {
        let local = bound.socket.local_addr()?;
        Ok(Self { local, bound: Mutex::new(Some((bound, dealer))) })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves the port from now on; nothing when that is so already.
    pub(crate) fn open(&self) -> Result<()> {
        match self.bound.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some((bound, dealer)) if bound.shards == NonZeroUsize::MIN => {
                let abandoned = dealer.abandoned();
                let (living, _) = mpsc::channel(1);
                tokio::spawn(serve(bound.start(dealer, &living)?, abandoned, living));
                Ok(())
            }
            Some((bound, dealer)) => bound.serve_on_a_thread(dealer),
            None => Ok(()),
        }
    }
}

impl Bound {
    fn serve_on_a_thread(self, dealer: Dealer<Arrival>) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let abandoned = dealer.abandoned();
        let (living, mut gone) = mpsc::channel(1);
        let server = {
            let _inside = runtime.enter();
            self.start(dealer, &living)?
        };
        let serve = move || {
            runtime.block_on(async {
                serve(server, abandoned, living).await;
                // The endpoint ends with this runtime, and its connections would with it.
                _ = gone.recv().await;
                tokio::time::sleep(LAST_PACKETS).await;
            });
        };
        thread::Builder::new().name("dipole-s2n".into()).spawn(serve)?;
        Ok(())
    }

    fn start(self, dealer: Dealer<Arrival>, living: &mpsc::Sender<Infallible>) -> Result<Server> {
        let living = living.downgrade();
        with_queues(Server::builder(), self.datagrams)
            .with_tls(server_tls(&self.tls, &self.options))
            .map_err(start_error)?
            .with_limits(self.limits)
            .map_err(start_error)?
            .with_io(listening_io(self.socket, &self.options)?)
            .map_err(start_error)?
            .with_event(ServerEvents { dealer, living })
            .map_err(start_error)?
            .with_endpoint_limits(Attempts::new(self.options))
            .map_err(start_error)?
            .start()
            .map_err(start_error)
    }
}

/// Gives each connection that has shaken hands to whoever waits for it, until all shards are gone;
/// then the endpoint takes no more. `_living` is what further connections are told of by.
async fn serve(
    mut server: Server,
    abandoned: impl Future<Output = ()>,
    _living: mpsc::Sender<Infallible>,
) {
    let mut abandoned = std::pin::pin!(abandoned);
    loop {
        let conn = tokio::select! {
            conn = server.accept() => conn,
            () = &mut abandoned => None,
        };
        let Some(mut conn) = conn else { break };
        let waiting =
            conn.query_event_context_mut(|events: &mut ConnectionEvents| events.waiting.take());
        // Dropped, when nobody waits for it, it is closed.
        if let Ok(Some(waiting)) = waiting {
            drop(waiting.send(Ok(conn)));
        }
    }
}
