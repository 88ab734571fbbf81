//! Dialers over any dialer, and a client's way through a proxy.

use std::sync::Arc;

pub use dipole_dialers::*;
use dipole_net::Dialer;
use http::HeaderValue;

use crate::{ClientBuilder, Forwarding};

/// A client by way of a proxy.
pub trait ClientProxy: Sized {
    /// Connects through `proxy`: plain `http:` is forwarded by HTTP proxies, all else is tunnelled.
    /// The TLS of a proxy of `https:` is the client's, so give that first.
    ///
    /// # Errors
    /// The proxy is one of `https:`, and the client has no TLS yet.
    fn proxy(self, proxy: &Proxy) -> Result<Self, ProxyError>;
}

impl ClientProxy for ClientBuilder<Arc<dyn Dialer>> {
    fn proxy(self, proxy: &Proxy) -> Result<Self, ProxyError> {
        let builder = self.wrap_dialer(|dialer, tls| proxy.over(dialer, tls))?;
        if !proxy.forwards() {
            return Ok(builder);
        }
        let mut forwarding = Forwarding::new(proxy.addr().clone());
        if let Some(value) = proxy.authorization() {
            let value = HeaderValue::try_from(value).expect("base64 has visible letters alone");
            forwarding = forwarding.authorization(value);
        }
        let bypassed = proxy.bypassed().clone();
        let applies = move |host: &str, port| !bypassed.applies(host, port);
        Ok(builder.forwarding(forwarding.only_where(applies)))
    }
}
