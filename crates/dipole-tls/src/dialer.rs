//! Dialling with TLS.

use std::sync::Arc;

use bytes::Bytes;
use dipole_net::{
    Addr, BoxFuture, Capabilities, Connection, DialOptions, Dialer, Error, ErrorKind, Result,
    TlsLayer, TlsOptions,
};

/// A dialer whose connections are secured.
#[derive(Clone)]
pub struct TlsDialer<D> {
    dialer: D,
    layer: Arc<dyn TlsLayer>,
    server_name: Option<String>,
    alpn: Vec<Bytes>,
}

impl<D: Dialer> TlsDialer<D> {
    /// Dials with `dialer` and secures with `layer`. The server's name is that of the address.
    #[must_use]
    pub fn new(dialer: D, layer: impl TlsLayer + 'static) -> Self {
        Self { dialer, layer: Arc::new(layer), server_name: None, alpn: Vec::new() }
    }

    /// The name that certificates must be for, whatever the address is: for Unix sockets and
    /// tunnels, whose addresses have none.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The protocols to offer by ALPN, best first.
    #[must_use]
    pub fn alpn(mut self, protocols: impl IntoIterator<Item = Bytes>) -> Self {
        self.alpn = protocols.into_iter().collect();
        self
    }

    fn name_for(&self, addr: &Addr) -> Result<String> {
        match (&self.server_name, addr) {
            (Some(name), _) => Ok(name.clone()),
            (None, Addr::Ip(ip)) => Ok(ip.ip().to_string()),
            (None, Addr::Host(host, _)) => Ok(host.to_string()),
            (None, _) => Err(Error::with_message(
                ErrorKind::InvalidInput,
                format!("{addr} names no server; give the dialer its name"),
            )),
        }
    }
}

impl<D: Dialer> Dialer for TlsDialer<D> {
    fn name(&self) -> &'static str {
        self.dialer.name()
    }

    fn capabilities(&self) -> Capabilities {
        crate::transport::with_tls(self.dialer.capabilities())
    }

    /// The timeout spans dialling and the handshake.
    fn dial_connection<'a>(
        &'a self,
        addr: &'a Addr,
        options: &'a DialOptions,
    ) -> BoxFuture<'a, Result<Connection>> {
        Box::pin(async move {
            let mut tls = TlsOptions::new(self.name_for(addr)?);
            tls.alpn.clone_from(&self.alpn);
            let begun = tokio::time::Instant::now();
            let Some(conn) = self.dialer.dial_connection(addr, options).await?.into_bytes() else {
                return Err(ErrorKind::Unsupported.into());
            };
            tls.timeout = options.timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
            Ok(Connection::Bytes(self.layer.add_tls(conn, &tls).await?))
        })
    }
}
