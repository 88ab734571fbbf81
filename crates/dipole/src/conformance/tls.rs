//! This crate's TLS as the layer that the conformance kit judges a network library with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dipole_conformance::{Shown, Tls};
use dipole_net::{BoxFuture, Conn, Result, TlsLayer, Transport};
use dipole_tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};

const NAME: &str = "server.test";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// [`dipole_tls`] on both ends, with certificates made for the occasion.
pub struct Rustls {
    client: ClientTls,
    good: ServerTls,
    expired: ServerTls,
    of_unknown_issuer: ServerTls,
    of_another_name: ServerTls,
}

impl Rustls {
    /// Certificates around `now`.
    ///
    /// # Errors
    /// Keys cannot be generated.
    pub fn new(now: SystemTime) -> Result<Self> {
        let valid = now - 10 * DAY..now + 10 * DAY;
        let authority = Authority::new("Known issuer", valid.clone())?;
        let unknown = Authority::new("Unknown issuer", valid.clone())?;
        let server = |authority: &Authority, name, valid| {
            let issued = authority.issue(&[name], valid)?;
            ServerTls::new(&ServerTlsOptions::new(issued.identity))
        };
        let mut options = ClientTlsOptions::default();
        options.roots = authority.roots();
        Ok(Self {
            client: ClientTls::new(&options)?,
            good: server(&authority, NAME, valid.clone())?,
            expired: server(&authority, NAME, now - 10 * DAY..now - DAY)?,
            of_unknown_issuer: server(&unknown, NAME, valid.clone())?,
            of_another_name: server(&authority, "another.test", valid)?,
        })
    }

    fn server(&self, shown: Shown) -> &ServerTls {
        match shown {
            Shown::Good => &self.good,
            Shown::Expired => &self.expired,
            Shown::OfUnknownIssuer => &self.of_unknown_issuer,
            Shown::OfAnotherName => &self.of_another_name,
        }
    }
}

impl Tls for Rustls {
    fn client(&self) -> Arc<dyn TlsLayer> {
        Arc::new(self.client.clone())
    }

    fn server_name(&self) -> &str {
        NAME
    }

    fn over(&self, transport: Arc<dyn Transport>, shown: Shown) -> Arc<dyn Transport> {
        Arc::new(self.server(shown).over(transport))
    }

    fn accept(&self, conn: Box<dyn Conn>, shown: Shown) -> BoxFuture<'_, Result<Box<dyn Conn>>> {
        Box::pin(self.server(shown).accept(conn))
    }
}
