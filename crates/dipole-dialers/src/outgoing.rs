//! Where to dial from.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use dipole_net::{Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Result};

/// Dials from one of this machine's addresses, or by one of its interfaces.
///
/// What a single dial asks for goes before. Dials to Unix sockets are left alone.
#[derive(Debug, Clone)]
pub struct Outgoing<D> {
    dialer: D,
    local: Option<SocketAddr>,
    interface: Option<Arc<str>>,
}

impl<D: Dialer> Outgoing<D> {
    /// Dials by `dialer`, from anywhere.
    #[must_use]
    pub fn new(dialer: D) -> Self {
        Self { dialer, local: None, interface: None }
    }

    /// From this address, by any port. Only addresses of its family can be dialled then.
    #[must_use]
    pub fn local(mut self, ip: IpAddr) -> Self {
        self.local = Some(SocketAddr::new(ip, 0));
        self
    }

    /// By the interface of this name, such as `eth0`; see
    /// [`DialOptions::interface`](dipole_net::DialOptions::interface).
    #[must_use]
    pub fn interface(mut self, name: &str) -> Self {
        self.interface = Some(name.into());
        self
    }
}

impl<D: Dialer> Dialer for Outgoing<D> {
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
        Box::pin(async move {
            let mut options = options.clone();
            options.local = options.local.or(self.local);
            if options.interface.is_none() {
                options.interface.clone_from(&self.interface);
            }
            self.dialer.dial_connection(addr, &options).await
        })
    }
}
