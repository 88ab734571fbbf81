//! One UDP port and the shards behind it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use dipole_io::{Dealer, QuicOptions};
use dipole_net::{Error, ErrorKind, Result};
use quinn::{Endpoint, TokioRuntime};

use crate::config::endpoint_config;
use crate::handshake::Arrival;
use crate::sockets::{Given, Socket};

/// A port that is bound, and served from when one of its shards is first polled.
///
/// With one shard the endpoint lives on that shard's runtime. With several it has a thread of its
/// own, so that no shard's connections depend on another shard's life: packets come in there, and
/// each connection runs and sends on the shard that it was dealt to, whatever its client's address
/// becomes.
pub(crate) struct Port {
    local: SocketAddr,
    bound: Mutex<Option<Bound>>,
}

/// What it takes to serve the port.
struct Bound {
    socket: Socket,
    config: quinn::ServerConfig,
    dealer: Dealer<Arrival>,
    shards: NonZeroUsize,
    options: QuicOptions,
}

impl Port {
    pub(crate) fn new(
        socket: Socket,
        config: quinn::ServerConfig,
        dealer: Dealer<Arrival>,
        shards: NonZeroUsize,
        options: QuicOptions,
    ) -> Result<Self> {
        let local = socket.local_addr()?;
        let bound = Bound { socket, config, dealer, shards, options };
        Ok(Self { local, bound: Mutex::new(Some(bound)) })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves the port from now on; nothing when that is so already.
    pub(crate) fn open(&self) -> Result<()> {
        match self.bound.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A given socket may be of this runtime's time alone.
            Some(bound) if matches!(bound.socket, Socket::Given { .. }) => bound.serve_here(),
            Some(bound) if bound.shards == NonZeroUsize::MIN => bound.serve_here(),
            Some(bound) => bound.serve_on_a_thread(),
            None => Ok(()),
        }
    }
}

impl Bound {
    fn serve_here(self) -> Result<()> {
        let endpoint = endpoint(self.socket, Some(self.config))?;
        tokio::spawn(deal(endpoint, self.dealer, self.options));
        Ok(())
    }

    fn serve_on_a_thread(self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = {
            let _inside = runtime.enter();
            endpoint(self.socket, Some(self.config))?
        };
        let serve = move || {
            runtime.block_on(async {
                deal(endpoint.clone(), self.dealer, self.options).await;
                // The connections that are left still get their packets here.
                endpoint.wait_idle().await;
            });
        };
        thread::Builder::new().name("dipole-quinn".into()).spawn(serve)?;
        Ok(())
    }
}

/// An endpoint on the current runtime.
pub(crate) fn endpoint(socket: Socket, config: Option<quinn::ServerConfig>) -> Result<Endpoint> {
    if tokio::runtime::Handle::try_current().is_err() {
        let text = "QUIC needs a tokio runtime to be polled in";
        return Err(Error::with_message(ErrorKind::Unsupported, text));
    }
    let runtime = Arc::new(TokioRuntime);
    Ok(match socket {
        Socket::System(socket) => Endpoint::new(endpoint_config(None), config, socket, runtime)?,
        Socket::Given { socket, seed } => {
            let own = endpoint_config(seed);
            let socket = Arc::new(Given(socket));
            Endpoint::new_with_abstract_socket(own, config, socket, runtime)?
        }
    })
}

/// Deals the arriving connections out until all shards are gone; then the endpoint takes no more.
async fn deal(endpoint: Endpoint, mut dealer: Dealer<Arrival>, options: QuicOptions) {
    let pending = Pending::default();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = dealer.abandoned() => None,
        };
        let Some(incoming) = incoming else { break };
        let handshakes = pending.count();
        if options.retry.applies(handshakes) && !incoming.remote_address_validated() {
            // It may: its address is not validated, so it has shown no token.
            drop(incoming.retry());
            continue;
        }
        if handshakes >= options.pending_handshakes {
            incoming.refuse();
            continue;
        }
        // Dropped, when no shard has room, it is refused.
        drop(dealer.deal(Arrival::new(incoming, pending.one_more())));
    }
    endpoint.set_server_config(None);
}

/// How many handshakes are pending.
#[derive(Debug, Clone, Default)]
struct Pending {
    count: Arc<AtomicUsize>,
}

impl Pending {
    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn one_more(&self) -> PendingHandshake {
        self.count.fetch_add(1, Ordering::Relaxed);
        PendingHandshake { count: Arc::clone(&self.count) }
    }
}

/// One that is pending, until it is dropped.
#[derive(Debug)]
pub(crate) struct PendingHandshake {
    count: Arc<AtomicUsize>,
}

impl Drop for PendingHandshake {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
