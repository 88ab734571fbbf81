//! Who looks names up.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, ErrorKind, Result,
};

use crate::tunnel::within;

/// Looks names up.
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, best first, with `port`.
    ///
    /// # Errors
    /// `UnknownHost` when there are none.
    ///
    /// # Cancel safety
    /// Dropping the future leaves nothing behind.
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>>>;
}

impl<R: Resolver + ?Sized> Resolver for Arc<R> {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>>> {
        (**self).look_up(host, port)
    }
}

/// The system's: what network libraries over sockets use by themselves.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>>> {
        Box::pin(dipole_sockets::look_up(host, port))
    }
}

/// Addresses that are known, in front of another resolver.
#[derive(Clone)]
pub struct Hosts<R> {
    known: HashMap<String, Vec<IpAddr>>,
    others: R,
}

impl<R: Resolver> Hosts<R> {
    /// Knows nobody yet; `others` is asked for whom it does not know.
    #[must_use]
    pub fn new(others: R) -> Self {
        Self { known: HashMap::new(), others }
    }

    /// Knows `name` at these addresses. None at all is a name that is unknown for sure.
    #[must_use]
    pub fn host(mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.known.insert(name.to_ascii_lowercase(), addresses.into_iter().collect());
        self
    }
}

impl<R: Resolver> Resolver for Hosts<R> {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, Result<Vec<SocketAddr>>> {
        let Some(known) = self.known.get(&host.to_ascii_lowercase()) else {
            return self.others.look_up(host, port);
        };
        let known: Vec<_> = known.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        let outcome = if known.is_empty() { Err(ErrorKind::UnknownHost.into()) } else { Ok(known) };
        Box::pin(std::future::ready(outcome))
    }
}

impl<R> fmt::Debug for Hosts<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts").field("known", &self.known).finish_non_exhaustive()
    }
}

/// Looks names up by a resolver, and races their addresses (RFC 8305). The timeout of a dial spans
/// both.
#[derive(Debug, Clone)]
pub struct Resolving<D, R> {
    dialer: D,
    resolver: R,
}

impl<D: Dialer, R: Resolver> Resolving<D, R> {
    /// Dials by `dialer` what `resolver` has found.
    #[must_use]
    pub fn new(dialer: D, resolver: R) -> Self {
        Self { dialer, resolver }
    }

    async fn dial(&self, host: &str, port: u16, options: &DialOptions) -> Result<Connection> {
        let addrs = self.resolver.look_up(host, port).await?;
        let connect = |addr| async move {
            let addr = Addr::Ip(addr);
            self.dialer.dial_connection(&addr, options).await
        };
        dipole_sockets::first_connected(addrs, connect).await
    }
}

impl<D: Dialer, R: Resolver> Dialer for Resolving<D, R> {
    fn name(&self) -> &'static str {
        self.dialer.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.dialer.capabilities()
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        let Addr::Host(host, port) = addr else {
            return self.dialer.dial_connection(addr, options);
        };
        Box::pin(async move {
            let dialled = within(options.timeout, self.dial(host, *port, options)).await;
            dialled.map_err(|error| error.context(format!("cannot connect to {addr}")))
        })
    }
}
