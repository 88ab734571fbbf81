//! What DNS says of an origin beside its addresses: HTTPS records (RFC 9460).

use std::time::Duration;

use bytes::Bytes;
use dipole_net::BoxFuture;

/// Looks up HTTPS records; see
/// [`ClientBuilder::with_service_records`](crate::ClientBuilder::with_service_records).
///
/// A resolver that can: most systems' look-up of addresses cannot.
pub trait ServiceRecords: Send + Sync {
    /// The records of the origin `https://host:port`, best first: those of `host`, or for another
    /// port than 443 of `_PORT._https.host` (RFC 9460 section 9.1). In ServiceMode: whoever looks
    /// them up follows aliases. Empty when there are none, or they cannot be looked up.
    ///
    /// # Cancel safety
    /// The future is dropped when it takes too long.
    fn service_records<'a>(&'a self, host: &'a str, port: u16)
    -> BoxFuture<'a, Vec<ServiceRecord>>;
}

impl<R: ServiceRecords + ?Sized> ServiceRecords for std::sync::Arc<R> {
    fn service_records<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Vec<ServiceRecord>> {
        (**self).service_records(host, port)
    }
}

/// One HTTPS record: a place where the origin is served, and what is spoken there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceRecord {
    /// The name of that place; `None` is the origin's own host.
    pub target: Option<String>,
    /// Its port; `None` is the origin's own.
    pub port: Option<u16>,
    /// The protocols that are spoken there, by their ALPN names, beside HTTP/1.1.
    pub alpn: Vec<Bytes>,
    /// How long this is good for.
    pub time_to_live: Duration,
}

impl ServiceRecord {
    /// The origin itself, where these protocols are spoken.
    #[must_use]
    pub fn new(alpn: impl IntoIterator<Item = Bytes>, time_to_live: Duration) -> Self {
        let alpn = alpn.into_iter().collect();
        Self { target: None, port: None, alpn, time_to_live }
    }
}
