//! The identities that a server shows, chosen by name, exchangeable while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use dipole_net::{Error, Result, TlsFault};
use rustls::client::verify_server_name;
use rustls::pki_types::{DnsName, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Identity;

/// Chooses by the name that the client asks for and the signatures that it understands.
#[derive(Debug)]
pub(crate) struct Identities {
    current: RwLock<Arc<[Arc<CertifiedKey>]>>,
}

impl Identities {
    pub(crate) fn new(identities: &[Identity]) -> Result<Self> {
        Ok(Self { current: RwLock::new(keys(identities)?) })
    }

    /// Handshakes that begin from now on see these.
    pub(crate) fn replace(&self, identities: &[Identity]) -> Result<()> {
        let keys = keys(identities)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    pub(crate) fn choose(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        if let [key] = &*keys {
            // Nobody is refused for a name, so the only one need not be read for its names.
            return Some(Arc::clone(key));
        }
        let name = hello.server_name().and_then(|name| DnsName::try_from(name).ok());
        let understood =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = |key: &&Arc<CertifiedKey>| {
            name.as_ref().is_some_and(|name| is_for(key, &ServerName::DnsName(name.clone())))
        };
        keys.iter()
            .find(|key| named(key) && understood(key))
            // Nobody is refused for a name: the client decides what it accepts.
            .or_else(|| keys.iter().find(understood))
            .or_else(|| keys.first())
            .cloned()
    }
}

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(&hello)
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    leaf.is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok())
}

fn keys(identities: &[Identity]) -> Result<Arc<[Arc<CertifiedKey>]>> {
    if identities.is_empty() {
        return Err(Error::tls(TlsFault::Configuration, "a server needs at least one certificate"));
    }
    Ok(identities.iter().map(Identity::rustls_key).collect())
}
