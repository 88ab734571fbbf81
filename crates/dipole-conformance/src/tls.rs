//! The TLS layer that a library is judged with, and the library under TLS.

use std::sync::Arc;

use dipole_net::{
    Addr, BoxFuture, Capabilities, Conn, Connection, DialOptions, Dialer, ErrorKind, Result,
    TlsLayer, TlsOptions, Transport,
};
use tokio::time::Instant;

use crate::Subject;

/// Both ends of a TLS layer over the library's connections, for the statements about TLS (D6 to D8,
/// L4). The kit does not know whose it is.
pub trait Tls: Send + Sync {
    /// The client's end. It trusts the issuer of every certificate but [`Shown::OfUnknownIssuer`].
    fn client(&self) -> Arc<dyn TlsLayer>;
    /// The name that every certificate is for but [`Shown::OfAnotherName`].
    fn server_name(&self) -> &str;
    /// `transport` under the server's end, which shows such a certificate.
    fn over(&self, transport: Arc<dyn Transport>, shown: Shown) -> Arc<dyn Transport>;
    /// The server's end over a connection that is there.
    ///
    /// # Errors
    /// What the handshake failed with; `conn` is closed then.
    fn accept(&self, conn: Box<dyn Conn>, shown: Shown) -> BoxFuture<'_, Result<Box<dyn Conn>>>;
}

/// What certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// One that is good.
    Good,
    /// One that was good until yesterday.
    Expired,
    /// One whose issuer the client does not trust.
    OfUnknownIssuer,
    /// One for another name.
    OfAnotherName,
}

impl Subject {
    /// The library under its TLS layer, to be judged as a byte stream again: by the statements that
    /// [`UNDER_TLS`](crate::UNDER_TLS) names. `None` when no layer was given.
    #[must_use]
    pub fn under_tls(self) -> Option<Self> {
        let tls = self.tls?;
        let secured = Secured {
            dialer: self.dialer,
            layer: tls.client(),
            server_name: tls.server_name().into(),
        };
        Some(Self {
            name: format!("{}+tls", self.name),
            transport: tls.over(self.transport, Shown::Good),
            dialer: Arc::new(secured),
            addresses: self.addresses,
            host: self.host,
            tls: Some(tls),
        })
    }
}

/// Dials, then secures.
pub(crate) struct Secured {
    pub(crate) dialer: Arc<dyn Dialer>,
    pub(crate) layer: Arc<dyn TlsLayer>,
    pub(crate) server_name: String,
}

impl Dialer for Secured {
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
            let begun = Instant::now();
            let conn = self.dialer.dial_connection(addr, options).await?;
            let conn = conn.into_bytes().ok_or(ErrorKind::Unsupported)?;
            let mut tls = TlsOptions::new(&*self.server_name);
            tls.timeout = options.timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
            Ok(Connection::Bytes(self.layer.add_tls(conn, &tls).await?))
        })
    }
}
