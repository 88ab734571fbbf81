//! rustls's configuration, for one handshake at a time.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::identities::Identities;

/// Unused ones that are kept.
const MOST_UNUSED: usize = 32;

/// A handshake's own configuration: the shared one, with a resolver that remembers the name which
/// the client asks for. rustls's unbuffered server does not tell that otherwise.
#[derive(Debug)]
pub(crate) struct OwnConfig {
    /// What it was made from.
    shared: Arc<ServerConfig>,
    rustls: Arc<ServerConfig>,
    seen: Arc<NameSeen>,
}

impl OwnConfig {
    fn new(shared: Arc<ServerConfig>, identities: &Arc<Identities>) -> Self {
        let seen =
            Arc::new(NameSeen { identities: Arc::clone(identities), name: Mutex::default() });
        let mut rustls = ServerConfig::clone(&shared);
        rustls.cert_resolver = Arc::clone(&seen) as _;
        Self { shared, rustls: Arc::new(rustls), seen }
    }

    pub(crate) fn rustls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.rustls)
    }

    /// The name that the client has asked for, once the handshake has ended.
    pub(crate) fn name(&self) -> Option<String> {
        self.seen.name.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Those of handshakes that have ended well, for the next ones: to make one costs a dozen counters
/// and three allocations. Its clones are one store.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnConfigs {
    unused: Arc<Mutex<Vec<OwnConfig>>>,
}

impl OwnConfigs {
    /// One that was made from `shared`.
    pub(crate) fn take(
        &self,
        shared: Arc<ServerConfig>,
        identities: &Arc<Identities>,
    ) -> OwnConfig {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        match unused.pop() {
            Some(own) if Arc::ptr_eq(&own.shared, &shared) => own,
            Some(_) => {
                // Another one has taken the place of what all of these were made from.
                unused.clear();
                OwnConfig::new(shared, identities)
            }
            None => OwnConfig::new(shared, identities),
        }
    }

    /// Takes one back whose handshake has ended, and its name been asked for.
    pub(crate) fn put(&self, own: OwnConfig) {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() < MOST_UNUSED {
            unused.push(own);
        }
    }
}

/// Remembers the name that a client asks for.
#[derive(Debug)]
struct NameSeen {
    identities: Arc<Identities>,
    name: Mutex<Option<String>>,
}

impl ResolvesServerCert for NameSeen {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            let mut seen = self.name.lock().unwrap_or_else(PoisonError::into_inner);
            seen.get_or_insert_with(|| name.to_owned());
        }
        self.identities.choose(&hello)
    }
}
