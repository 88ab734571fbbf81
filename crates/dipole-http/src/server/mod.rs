//! The server: one service on any number of addresses and network libraries.

mod accept;
mod alt_svc;
mod answer;
mod arriving;
mod connection;
mod date;
mod deadline;
mod excess;
mod exchanges;
mod generations;
mod grpc;
mod handle;
mod memory;
mod own_answer;
mod protocol;
mod pulse;
mod registry;
mod session;
mod stats;
mod swap;
mod worker;

use std::num::NonZeroUsize;
use std::sync::Arc;

use dipole_net::{Addr, Connection, Error, ErrorKind, ListenOptions, Result, TlsInfo, Transport};
use http::StatusCode;
use tokio::sync::mpsc;

use self::accept::Gate;
use self::alt_svc::{Advertised, Bound};

pub use self::alt_svc::AltSvc;
pub use self::answer::{Answer, AnswerBody};
pub(crate) use self::deadline::Deadline;
pub(crate) use self::excess::Excess;
pub use self::exchanges::Exchanges;
use self::generations::Generations;

pub use self::handle::{Drained, ServerHandle};
pub(crate) use self::memory::Memory;
pub use self::own_answer::{OwnAnswer, Reached};
pub use self::protocol::Protocol;
use self::protocol::Protocols;
pub(crate) use self::protocol::{HTTP1, HTTP2, HTTP3};
pub(crate) use self::registry::Phase;
pub use self::session::Session;
pub use self::stats::ServerStats;
use self::swap::{AcceptLoop, Post};
pub(crate) use self::worker::Worker;
use crate::{HttpService, ServerConfig};

/// An HTTP server for a [`tower`](tower_service::Service) service, such as an axum `Router`.
///
/// ```no_run
/// use bytes::Bytes;
/// use dipole_http::{Body, Server};
/// # use dipole_tokio::Tokio;
/// # use std::convert::Infallible;
///
/// # fn main() -> dipole_net::Result<()> {
/// let hello = tower::service_fn(|_request: http::Request<Body>| async {
///     Ok::<_, Infallible>(http::Response::new(Body::from("Hello, World!")))
/// });
/// Server::new(hello).listen("127.0.0.1:8888", Tokio::new()).run()
/// # }
/// ```
pub struct Server<S> {
    service: S,
    protocols: Protocols<S>,
    binds: Vec<Bind>,
    workers: NonZeroUsize,
    config: ServerConfig,
    hooks: Hooks,
}

/// An address to listen on.
struct Bind {
    addr: Where,
    transport: Arc<dyn Transport>,
    options: ListenOptions,
}

/// Where to listen.
enum Where {
    At(Result<Addr>),
    /// At what the last one has got.
    Beside,
}

/// Where [`Server::with_transport`] listens.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8888";

/// Decides about a connection by what is known of it.
type Hook<T> = Box<dyn Fn(&T) -> Admission + Send + Sync>;

/// Is told of what the server has answered itself.
type Listener = Box<dyn Fn(&OwnAnswer) + Send + Sync>;

/// What the server asks and tells its owner.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) on_accept: Option<Hook<Addr>>,
    pub(crate) on_connect: Option<Hook<ConnectionInfo>>,
    pub(crate) on_own_answer: Option<Listener>,
    pub(crate) exposes_connection_info: bool,
}

impl Hooks {
    /// True when somebody wants to know what a connection is.
    fn want_connection_info(&self) -> bool {
        self.on_connect.is_some() || self.on_own_answer.is_some() || self.exposes_connection_info
    }

    /// Tells of an answer in the place of the service.
    pub(crate) fn tell_own_answer(
        &self,
        (status, reason): (StatusCode, &'static str),
        reached: Reached,
        connection: Option<&ConnectionInfo>,
    ) {
        if let Some(hook) = &self.on_own_answer {
            hook(&OwnAnswer { status, reason, reached, connection: connection.cloned() });
        }
    }
}

/// What a hook decides about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The connection goes on.
    Admit,
    /// It is closed; no handler sees it.
    Refuse,
}

/// The connection that a request came on; cheap to clone.
///
/// In the request's extensions where [`Server::expose_connection_info`] asked for it.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    inner: Arc<ConnectionInfoInner>,
}

#[derive(Debug)]
struct ConnectionInfoInner {
    local: Addr,
    peer: Addr,
    tls: Option<TlsInfo>,
    network: &'static str,
}

impl ConnectionInfo {
    /// `None` for a kind of connection that is not known here.
    pub(crate) fn of(connection: &Connection, network: &'static str) -> Option<Self> {
        let (local, peer, tls) = match connection {
            Connection::Bytes(conn) => (conn.local_addr(), conn.peer_addr(), conn.tls().cloned()),
            Connection::Streams(conn) => (conn.local_addr(), conn.peer_addr(), conn.tls().cloned()),
            _ => return None,
        };
        Some(Self { inner: Arc::new(ConnectionInfoInner { local, peer, tls, network }) })
    }

    /// The server's end.
    #[must_use]
    pub fn local_addr(&self) -> &Addr {
        &self.inner.local
    }

    /// The client's end.
    #[must_use]
    pub fn peer_addr(&self) -> &Addr {
        &self.inner.peer
    }

    /// What TLS negotiated; `None` where there is no TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.inner.tls.as_ref()
    }

    /// The network library that the connection came over, as
    /// [`Transport::name`](dipole_net::Transport::name) says it.
    #[must_use]
    pub fn network(&self) -> &'static str {
        self.inner.network
    }
}

impl<S: HttpService> Server<S> {
    /// A server for `service`, which each connection gets a clone of.
    pub fn new(service: S) -> Self {
        Self {
            service,
            protocols: Protocols::new(),
            binds: Vec::new(),
            workers: NonZeroUsize::MIN,
            config: ServerConfig::default(),
            hooks: Hooks::default(),
        }
    }

    /// Listens on `addr` with `transport`. To be called any number of times.
    ///
    /// A wrong address is reported by [`start`](Self::start).
    #[must_use]
    pub fn listen<A>(self, addr: A, transport: impl Transport + 'static) -> Self
    where
        A: TryInto<Addr>,
        A::Error: std::fmt::Display,
    {
        self.listen_with(addr, transport, ListenOptions::default())
    }

    /// Listens on `addr` with `transport` and these options; their `shards` is set by the server.
    #[must_use]
    pub fn listen_with<A>(
        mut self,
        addr: A,
        transport: impl Transport + 'static,
        options: ListenOptions,
    ) -> Self
    where
        A: TryInto<Addr>,
        A::Error: std::fmt::Display,
    {
        let addr = addr
            .try_into()
            .map_err(|error| Error::with_message(ErrorKind::InvalidInput, error.to_string()));
        self.binds.push(Bind { addr: Where::At(addr), transport: Arc::new(transport), options });
        self
    }

    /// Listens on `127.0.0.1:8888` with `transport`.
    #[must_use]
    pub fn with_transport(self, transport: impl Transport + 'static) -> Self {
        self.listen(DEFAULT_ADDRESS, transport)
    }

    /// Listens with `transport` as well, at the address that the last `listen` has got: HTTP/3 on the
    /// UDP port of the same number as its TCP port, also where that was chosen by the system. Answers
    /// over TLS tell of it: [`AltSvc`](crate::AltSvc).
    ///
    /// Without a `listen` before it, [`start`](Self::start) fails.
    #[must_use]
    pub fn with_alt_transport(self, transport: impl Transport + 'static) -> Self {
        self.with_alt_transport_options(transport, ListenOptions::default())
    }

    /// As [`with_alt_transport`](Self::with_alt_transport), with these options.
    #[must_use]
    pub fn with_alt_transport_options(
        mut self,
        transport: impl Transport + 'static,
        options: ListenOptions,
    ) -> Self {
        let transport = Arc::new(transport);
        self.binds.push(Bind { addr: Where::Beside, transport, options });
        self
    }

    /// How many workers serve; each is a thread with a runtime and listeners of its own, and a
    /// connection stays with its worker. 0 is one for each core. Default 1.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = NonZeroUsize::new(workers)
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Deadlines and limits.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = config;
        self
    }

    /// Adds a protocol, in the place of another of the same ALPN name.
    ///
    /// `http/1.1`, `h2` and `h3` are there from the beginning.
    #[must_use]
    pub fn protocol(mut self, protocol: impl Protocol<S> + 'static) -> Self {
        self.protocols.register(Arc::new(protocol));
        self
    }

    /// Asked with the peer's address before any byte of a connection is read.
    #[must_use]
    pub fn on_accept(mut self, hook: impl Fn(&Addr) -> Admission + Send + Sync + 'static) -> Self {
        self.hooks.on_accept = Some(Box::new(hook));
        self
    }

    /// Asked once a connection's handshake is done, before any request is read.
    #[must_use]
    pub fn on_connect(
        mut self,
        hook: impl Fn(&ConnectionInfo) -> Admission + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_connect = Some(Box::new(hook));
        self
    }

    /// Told of each answer that the server gives in the place of the service, such as 400 to what
    /// is no request: an access log that stands in the service sees none of these. It is called
    /// by the connection's task, before the answer is sent; a panic in it ends the connection.
    #[must_use]
    pub fn on_own_answer(mut self, hook: impl Fn(&OwnAnswer) + Send + Sync + 'static) -> Self {
        self.hooks.on_own_answer = Some(Box::new(hook));
        self
    }

    /// Puts a [`ConnectionInfo`] into each request's extensions.
    #[must_use]
    pub fn expose_connection_info(mut self) -> Self {
        self.hooks.exposes_connection_info = true;
        self
    }

    /// Binds every address, then serves on threads of its own.
    ///
    /// # Errors
    /// The first address that cannot be bound; then none is. A thread that cannot be started.
    pub fn start(self) -> Result<ServerHandle> {
        let transports: Vec<_> =
            self.binds.iter().map(|bind| Arc::clone(&bind.transport)).collect();
        let (handle, workers) = self.bind()?;
        for (index, work) in workers.into_iter().enumerate() {
            worker::start_thread(index, transports.clone(), work)?;
        }
        Ok(handle)
    }

    /// Binds every address, then serves on the caller's tokio runtime.
    ///
    /// # Errors
    /// The first address that cannot be bound; then none is.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(self) -> Result<ServerHandle> {
        let (handle, workers) = self.bind()?;
        for work in workers {
            tokio::spawn(work);
        }
        Ok(handle)
    }

    /// Starts, and waits until the server has ended. For a `main` without a runtime.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn run(self) -> Result<()> {
        let handle = self.start()?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(handle.wait());
        Ok(())
    }

    /// The handle, and each worker's work.
    fn bind(self) -> Result<(ServerHandle, Vec<impl Future<Output = ()> + Send>)> {
        if self.binds.is_empty() {
            let message = "the server has no address to listen on";
            return Err(Error::with_message(ErrorKind::InvalidInput, message));
        }
        let retire_timeout = self.config.retire_timeout;
        let alt_svc = self.config.alt_svc.clone();
        let group = worker::Group::new(self.config, self.hooks);
        let mut posts: Vec<Post> = Vec::new();
        let mut bound = Vec::new();
        let crew: Vec<_> = (0..self.workers.get()).map(|_| Arc::new(Generations::new())).collect();
        let mut gates_of: Vec<Vec<Gate<S>>> = Vec::new();
        gates_of.resize_with(self.workers.get(), Vec::new);
        let protocols = Arc::new(self.protocols);
        for bind in self.binds {
            let mut options = bind.options;
            options.shards = self.workers;
            let addr = match (bind.addr, posts.last()) {
                (Where::At(addr), _) => addr?,
                (Where::Beside, Some(last)) => last.addr.clone(),
                (Where::Beside, None) => {
                    let message = "there is no address to listen beside";
                    return Err(Error::with_message(ErrorKind::InvalidInput, message));
                }
            };
            let carries_streams = bind.transport.capabilities().streams;
            let network = bind.transport.name();
            let shards = bind.transport.listen(&addr, &options)?;
            let Some(addr) = shards.first().map(|listener| listener.local_addr()) else { continue };
            let mut loops = Vec::new();
            let advertised = Advertised::default();
            for ((generations, gates), listener) in crew.iter().zip(&mut gates_of).zip(shards) {
                let (commands, asked) = mpsc::channel(1);
                let registry = generations.add();
                let worker = group.worker(registry, network, Arc::clone(&advertised));
                gates.push(Gate::new(
                    self.service.clone(),
                    Arc::clone(&protocols),
                    listener,
                    worker,
                    asked,
                ));
                loops.push(AcceptLoop { generations: Arc::clone(generations), commands });
            }
            bound.push(Bound { addr: addr.clone(), carries_streams, advertised });
            posts.push(Post { addr, carries_streams, options, loops });
        }
        alt_svc::advertise(&alt_svc, &bound);
        let (handle, alive) =
            ServerHandle::new(group.counters(), crew.clone(), retire_timeout, posts);
        let work = crew
            .into_iter()
            .zip(gates_of)
            .map(|(generations, gates)| worker::work(generations, gates, alive.clone()));
        Ok((handle, work.collect()))
    }
}
