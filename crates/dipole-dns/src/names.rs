//! The addresses of names.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use dipole_dialers::Resolver;
use dipole_net::{BoxFuture, Error, ErrorKind, Result};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// Asks name servers itself, and remembers their answers as long as these say. Clones share what
/// they remember.
#[derive(Clone)]
pub struct Hickory {
    pub(crate) resolver: Arc<TokioResolver>,
}

impl Hickory {
    /// By the system's name servers and its `hosts` file.
    ///
    /// # Errors
    /// The system's settings cannot be read.
    pub fn of_the_system() -> Result<Self> {
        let built = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        let resolver = built.map_err(|error| {
            Error::with_source(ErrorKind::Io, error).context("the system's name servers")
        })?;
        Ok(Self::new(resolver))
    }

    /// By these name servers alone, such as Consul's at `127.0.0.1:8600`: over UDP, and over TCP what is
    /// too long for that. Names are taken as they are, without a search list or a `hosts` file.
    ///
    /// # Errors
    /// `InvalidInput` without a server.
    pub fn asking(servers: impl IntoIterator<Item = SocketAddr>) -> Result<Self> {
        let servers: Vec<_> = servers
            .into_iter()
            .map(|server| {
                let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                connections.iter_mut().for_each(|connection| connection.port = server.port());
                NameServerConfig::new(server.ip(), true, connections)
            })
            .collect();
        if servers.is_empty() {
            return Err(Error::with_message(ErrorKind::InvalidInput, "no name server is named"));
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut options = ResolverOpts::default();
        options.use_hosts_file = ResolveHosts::Never;
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let built = builder.with_options(options).build();
        Ok(Self::new(built.map_err(|error| Error::with_source(ErrorKind::Io, error))?))
    }

    /// By a resolver that is set up as you like.
    #[must_use]
    pub fn new(resolver: TokioResolver) -> Self {
        Self { resolver: Arc::new(resolver) }
    }
}

impl Resolver for Hickory {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            let found = self.resolver.lookup_ip(host).await.map_err(|error| fault(host, error))?;
            Ok(found.iter().map(|ip| SocketAddr::new(ip, port)).collect())
        })
    }
}

fn fault(host: &str, error: NetError) -> Error {
    let kind = match error.is_no_records_found() {
        true => ErrorKind::UnknownHost,
        false => ErrorKind::Io,
    };
    Error::with_source(kind, error).context(format!("look up {host}"))
}

impl fmt::Debug for Hickory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hickory").finish_non_exhaustive()
    }
}
