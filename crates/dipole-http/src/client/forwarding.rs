//! Plain `http:` through a proxy that forwards requests.

use std::fmt;
use std::sync::Arc;

use dipole_net::Addr;
use http::{HeaderMap, HeaderValue, header, uri};

use super::ProtocolChoice;
use super::route::{Route, Target};

/// A proxy that `http:` requests are sent to, which forwards them (RFC 9112 section 3.2.2). All
/// others, and those that may upgrade, need a tunnel: that is a dialer's business.
///
/// The client's dialer has to reach the proxy's own address without that proxy.
#[derive(Clone)]
pub struct Forwarding {
    addr: Addr,
    authorization: Option<HeaderValue>,
    applies: Arc<Applies>,
}

/// Whether a host and port are among those that the proxy is for.
type Applies = dyn Fn(&str, u16) -> bool + Send + Sync;

impl Forwarding {
    /// Through the proxy at `addr`, whatever the host.
    #[must_use]
    pub fn new(addr: Addr) -> Self {
        Self { addr, authorization: None, applies: Arc::new(|_, _| true) }
    }

    /// What the proxy is told as `Proxy-Authorization`.
    #[must_use]
    pub fn authorization(mut self, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.authorization = Some(value);
        self
    }

    /// For the hosts and ports alone that `applies` says true of.
    #[must_use]
    pub fn only_where(
        mut self,
        applies: impl Fn(&str, u16) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.applies = Arc::new(applies);
        self
    }

    pub(super) fn applies(&self, route: &Route<'_>) -> bool {
        let Some(authority) = route.authority.filter(|_| !route.security.is_tls()) else {
            return false;
        };
        (self.applies)(bare(authority), authority.port_u16().unwrap_or(80))
    }

    /// Where the proxy is. Proxies speak HTTP/1.1.
    pub(super) fn target(&self) -> Target {
        Target::plain(self.addr.clone(), ProtocolChoice::Http1)
    }

    /// The header fields of a request to the proxy.
    pub(super) fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        if let Some(value) = &self.authorization {
            headers.insert(header::PROXY_AUTHORIZATION, value.clone());
        }
        headers
    }
}

/// A host without the brackets of an IPv6 address.
fn bare(authority: &uri::Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl fmt::Debug for Forwarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarding").field("addr", &self.addr).finish_non_exhaustive()
    }
}
