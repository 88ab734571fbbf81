//! Another network library under a live listener.

use std::sync::Arc;
use std::time::Duration;

#[cfg(unix)]
use dipole_net::ListeningSocket;
use dipole_net::{Addr, Error, ErrorKind, ListenOptions, Listener, Result, Transport};
use tokio::sync::{mpsc, oneshot};

use super::generations::Generations;
use super::registry::{Phase, Registry};

/// What an accept loop is asked to do.
pub(super) enum Command {
    /// Give another descriptor of the listening socket.
    #[cfg(unix)]
    Share(oneshot::Sender<Result<Option<ListeningSocket>>>),
    /// Go on with another listener.
    GoOn(Successor),
}

/// The listener that takes over, and the registry that its connections join.
pub(super) struct Successor {
    pub(super) listener: Box<dyn Listener>,
    pub(super) registry: Arc<Registry>,
    /// The name of its library.
    pub(super) network: &'static str,
    /// Told once the new listener accepts.
    pub(super) done: oneshot::Sender<()>,
}

/// An address that the server listens on, and its accept loops: one a worker.
pub(super) struct Post {
    pub(super) addr: Addr,
    /// It has no socket that could be passed on.
    pub(super) carries_streams: bool,
    pub(super) options: ListenOptions,
    pub(super) loops: Vec<AcceptLoop>,
}

/// The way to an accept loop.
pub(super) struct AcceptLoop {
    pub(super) generations: Arc<Generations>,
    pub(super) commands: mpsc::Sender<Command>,
}

impl Post {
    /// The listening sockets, one for each queue of connections.
    #[cfg(unix)]
    pub(super) async fn sockets(&self) -> Result<Vec<ListeningSocket>> {
        let mut sockets = Vec::with_capacity(self.loops.len());
        for accept_loop in &self.loops {
            let (reply, replied) = oneshot::channel();
            accept_loop.send(Command::Share(reply)).await?;
            let socket = replied.await.map_err(|_| ended())??;
            sockets.push(socket.ok_or_else(|| no_socket(&self.addr))?);
        }
        Ok(sockets)
    }

    /// Moves every accept loop to `transport`, or none of them.
    #[cfg(unix)]
    pub(super) async fn swap(&self, transport: &dyn Transport) -> Result<()> {
        if !transport.capabilities().descriptors {
            let message = format!("{} cannot listen on a socket that is there", transport.name());
            return Err(Error::with_message(ErrorKind::Unsupported, message));
        }
        let mut listeners = Vec::with_capacity(self.loops.len());
        for socket in self.sockets().await? {
            let mut options = self.options.clone();
            options.shards = std::num::NonZeroUsize::MIN;
            options.descriptor = Some(socket);
            listeners.extend(transport.listen(&self.addr, &options)?);
        }
        let mut switched = Vec::with_capacity(self.loops.len());
        for (accept_loop, listener) in self.loops.iter().zip(listeners) {
            let (done, is_done) = oneshot::channel();
            let registry = accept_loop.generations.add();
            let network = transport.name();
            let successor = Successor { listener, registry, network, done };
            accept_loop.send(Command::GoOn(successor)).await?;
            switched.push(is_done);
        }
        for is_done in switched {
            is_done.await.map_err(|_| ended())?;
        }
        Ok(())
    }
}

impl AcceptLoop {
    async fn send(&self, command: Command) -> Result<()> {
        self.commands.send(command).await.map_err(|_| ended())
    }
}

/// Lets the connections of an earlier listener end without a request lost: each one's next answer
/// says that it is the last. Those that have none within `patience` are idle, and are closed.
pub(super) async fn retire(registry: Arc<Registry>, patience: Duration) {
    registry.enter(Phase::Retiring);
    tokio::time::sleep(patience).await;
    registry.enter(Phase::Draining);
}

fn ended() -> Error {
    Error::with_message(ErrorKind::Closed, "the server listens no more")
}

#[cfg(unix)]
fn no_socket(addr: &Addr) -> Error {
    let message = format!("the listener on {addr} has no socket that another could go on with");
    Error::with_message(ErrorKind::Unsupported, message)
}
