//! Telling clients of HTTP/3 beside TCP (RFC 7838, RFC 9114 section 3.1.1).

use std::sync::{Arc, OnceLock};

use dipole_net::Addr;
use http::HeaderValue;

/// What the server's answers over TLS say of HTTP/3, where the application has not said it itself.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum AltSvc {
    /// `h3=":PORT"; ma=86400` of what this server listens on with a network library of streams,
    /// at the same IP address or at all of them; nothing where there is no such listener.
    #[default]
    Derived,
    /// Nothing.
    Silent,
    /// This value of the field.
    Given(HeaderValue),
}

/// What the answers of one listener say; known once all are bound.
pub(crate) type Advertised = Arc<OnceLock<HeaderValue>>;

/// A listener that is bound.
pub(super) struct Bound {
    pub(super) addr: Addr,
    pub(super) carries_streams: bool,
    pub(super) advertised: Advertised,
}

/// Lets each listener of byte streams know of the listeners of streams.
pub(super) fn advertise(choice: &AltSvc, bound: &[Bound]) {
    for listener in bound.iter().filter(|listener| !listener.carries_streams) {
        let value = match choice {
            AltSvc::Silent => None,
            AltSvc::Given(value) => Some(value.clone()),
            AltSvc::Derived => derived(&listener.addr, bound),
        };
        if let Some(value) = value {
            listener.advertised.get_or_init(|| value);
        }
    }
}

fn derived(addr: &Addr, bound: &[Bound]) -> Option<HeaderValue> {
    let Addr::Ip(here) = addr else { return None };
    let mut ports: Vec<u16> = Vec::new();
    for other in bound.iter().filter(|other| other.carries_streams) {
        if let Addr::Ip(there) = other.addr
            && (there.ip() == here.ip() || there.ip().is_unspecified())
            && !ports.contains(&there.port())
        {
            ports.push(there.port());
        }
    }
    // That of the same number first: clients try what comes first.
    ports.sort_by_key(|&port| (port != here.port(), port));
    let list: Vec<_> = ports.iter().map(|port| format!("h3=\":{port}\"; ma=86400")).collect();
    if list.is_empty() { None } else { HeaderValue::try_from(list.join(", ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(choice: &AltSvc, addr: &str, streams: &[&str]) -> Option<HeaderValue> {
        let bound = |addr: &str, carries_streams| Bound {
            addr: addr.parse().unwrap(),
            carries_streams,
            advertised: Advertised::default(),
        };
        let mut all: Vec<_> = streams.iter().map(|addr| bound(addr, true)).collect();
        all.push(bound(addr, false));
        advertise(choice, &all);
        all.last().unwrap().advertised.get().cloned()
    }

    #[test]
    fn only_what_is_bound_where_the_client_is_is_told() {
        let derived = |addr, streams: &[&str]| said(&AltSvc::Derived, addr, streams);
        assert_eq!(derived("127.0.0.1:443", &[]), None);
        assert_eq!(derived("127.0.0.1:443", &["127.0.0.1:443"]).unwrap(), "h3=\":443\"; ma=86400");
        assert_eq!(derived("127.0.0.1:443", &["0.0.0.0:8443"]).unwrap(), "h3=\":8443\"; ma=86400");
        assert_eq!(derived("127.0.0.1:443", &["127.0.0.2:443"]), None);
        assert_eq!(derived("unix:/a", &["0.0.0.0:443"]), None);
        let both = derived("127.0.0.1:443", &["127.0.0.1:8443", "127.0.0.1:443"]).unwrap();
        assert_eq!(both, "h3=\":443\"; ma=86400, h3=\":8443\"; ma=86400");
    }

    #[test]
    fn another_value_or_none_is_told_where_that_is_asked_for() {
        let given = AltSvc::Given(HeaderValue::from_static("clear"));
        assert_eq!(said(&given, "127.0.0.1:443", &[]).unwrap(), "clear");
        assert_eq!(said(&AltSvc::Silent, "127.0.0.1:443", &["127.0.0.1:443"]), None);
    }
}
