//! A proxy for some hosts, and the way without it for the others.

use std::fmt;
use std::sync::Arc;

use dipole_net::{Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Result};

use crate::Bypass;

/// Dials through a proxy, but for hosts of a [`Bypass`] and addresses that have no host. Made by
/// [`Proxy::over`](crate::Proxy::over).
#[derive(Clone)]
pub struct Proxied {
    pub(crate) proxy: Arc<dyn Dialer>,
    pub(crate) direct: Arc<dyn Dialer>,
    /// Where the proxy is: nobody but its own dialer knows how to speak with it.
    pub(crate) addr: Addr,
    pub(crate) bypass: Bypass,
}

impl Proxied {
    fn way_to(&self, addr: &Addr) -> &dyn Dialer {
        let is_direct = match addr {
            _ if *addr == self.addr => false,
            Addr::Ip(ip) => self.bypass.applies(&ip.ip().to_string(), ip.port()),
            Addr::Host(host, port) => self.bypass.applies(host, *port),
            _ => true,
        };
        if is_direct { &*self.direct } else { &*self.proxy }
    }
}

impl Dialer for Proxied {
    fn name(&self) -> &'static str {
        self.direct.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.proxy.capabilities()
    }

    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        self.way_to(addr).dial_connection(addr, options)
    }
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied")
            .field("addr", &self.addr)
            .field("bypass", &self.bypass)
            .finish_non_exhaustive()
    }
}
