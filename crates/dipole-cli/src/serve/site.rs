//! What `dipole serve` serves, and with which network library.

use std::sync::{Arc, Mutex, PoisonError};

use dipole::ServerHandle;
use dipole::net::{Addr, Result, Transport};
use dipole::tls::ServerTls;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use crate::networks::{Network, Quic};

/// The running server, as far as it can be changed from outside.
pub(super) struct Site {
    server: ServerHandle,
    /// The library under its listeners.
    network: Mutex<Network>,
    /// Beside it, for HTTP/3.
    quic: Option<Quic>,
    /// Over every library alike; `None` is plain HTTP.
    tls: Option<ServerTls>,
    /// Held while the library changes: one swap after the other.
    swapping: tokio::sync::Mutex<()>,
}

impl Site {
    pub(super) fn new(
        server: ServerHandle,
        network: Network,
        quic: Option<Quic>,
        tls: Option<ServerTls>,
    ) -> Self {
        let (network, swapping) = (Mutex::new(network), tokio::sync::Mutex::default());
        Self { server, network, quic, tls, swapping }
    }

    pub(super) fn server(&self) -> &ServerHandle {
        &self.server
    }

    pub(super) fn has_quic(&self) -> bool {
        self.quic.is_some()
    }

    /// Each listener: its address, its URL, and the name of its library.
    pub(super) fn listeners(&self) -> Vec<(Addr, String, &'static str)> {
        let network = self.network().name;
        let mut listeners = Vec::new();
        for (addr, url) in self.addrs().into_iter().zip(self.urls()) {
            if let (Some(quic), Addr::Ip(_)) = (&self.quic, &addr) {
                listeners.push((addr.clone(), url.clone(), network));
                listeners.push((addr, url, quic.name));
            } else {
                listeners.push((addr, url, network));
            }
        }
        listeners
    }

    /// The addresses, each once.
    pub(super) fn addrs(&self) -> Vec<Addr> {
        let mut addrs: Vec<Addr> = Vec::new();
        for addr in self.server.local_addrs() {
            if !addrs.contains(addr) {
                addrs.push(addr.clone());
            }
        }
        addrs
    }

    /// The addresses as URLs.
    pub(super) fn urls(&self) -> Vec<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.addrs().iter().map(|addr| url(scheme, addr)).collect()
    }

    pub(super) fn network(&self) -> Network {
        self.network.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves every listener to `network`, or none; gives the name of the earlier library.
    ///
    /// # Errors
    /// As `ServerHandle::swap_transport`.
    pub(super) async fn swap(&self, network: Network) -> Result<&'static str> {
        let _turn = self.swapping.lock().await;
        let earlier = self.network();
        let addrs = self.addrs();
        for (moved, addr) in addrs.iter().enumerate() {
            if let Err(error) = self.server.swap_transport(addr, self.transport(&network)).await {
                for addr in &addrs[..moved] {
                    // It did listen there: where even that fails the first fault says more.
                    let _ = self.server.swap_transport(addr, self.transport(&earlier)).await;
                }
                return Err(error);
            }
        }
        *self.network.lock().unwrap_or_else(PoisonError::into_inner) = network;
        Ok(earlier.name)
    }

    fn transport(&self, network: &Network) -> Arc<dyn Transport> {
        transport(network, self.tls.as_ref())
    }

    pub(super) fn status(&self) -> Value {
        let stats = self.server.stats();
        json!({
            "network": self.network().name,
            "http3": self.quic.as_ref().map(|quic| quic.name),
            "listening": self.urls(),
            "connections": stats.connections,
            "open_connections": stats.open_connections,
            "requests": stats.requests,
            // What the library itself has counted; null where it counts nothing.
            "library": self.network().figures.map(|figures| figures()),
        })
    }
}

/// What listens for a site on `network`, under TLS or not.
pub(super) fn transport(network: &Network, tls: Option<&ServerTls>) -> Arc<dyn Transport> {
    let transport = Arc::clone(&network.transport);
    match tls {
        Some(tls) => Arc::new(tls.over(transport)),
        None => transport,
    }
}

/// What stays as it is in a Unix socket's path.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The address as a URL: `http://127.0.0.1:8888`, `http+unix:///run/x.sock`, `http+unix://@name`.
fn url(scheme: &str, addr: &Addr) -> String {
    match addr {
        Addr::Unix(path) => {
            let path = path.as_os_str().as_encoded_bytes();
            format!("{scheme}+unix://{}", percent_encode(path, PATH))
        }
        Addr::Abstract(name) => format!("{scheme}+unix://@{}", percent_encode(name, PATH)),
        addr => format!("{scheme}://{addr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_has_a_url() {
        let url = |text: &str| url("http", &text.parse().expect("an address"));
        assert_eq!(url("127.0.0.1:80"), "http://127.0.0.1:80");
        assert_eq!(url("[::1]:80"), "http://[::1]:80");
        assert_eq!(url("unix:/tmp/a b.sock"), "http+unix:///tmp/a%20b.sock");
        assert_eq!(url("unix:@name"), "http+unix://@name");
    }
}
