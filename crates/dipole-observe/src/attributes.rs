//! Values of attributes, as the conventions want them.

use dipole_net::Addr;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Uri, Version};
use metrics::Label;

/// The name of the network library; no convention has a word for it.
pub(crate) const NETWORK: &str = "dipole.network";

/// `http.request.method`: the method where it is a known one, and `_OTHER` for any other, so that
/// nobody can make labels without end.
pub(crate) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

/// `network.protocol.version`.
pub(crate) fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// The label of a connection's network library.
pub(crate) fn network(name: &'static str) -> Label {
    Label::new(NETWORK, name)
}

/// `network.transport` of a connection to this address.
pub(crate) fn transport(addr: &Addr, version: Version) -> &'static str {
    match addr {
        Addr::Unix(_) | Addr::Abstract(_) | Addr::Unnamed => "unix",
        _ if version == Version::HTTP_3 => "quic",
        Addr::Ip(_) | Addr::Host(..) => "tcp",
        _ => "inproc",
    }
}

/// `url.full`, without a user's name and password.
pub(crate) fn url(uri: &Uri) -> String {
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return uri.to_string();
    };
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match host.len() == authority.as_str().len() {
        true => format!("{scheme}://{host}{path}"),
        false => format!("{scheme}://REDACTED:REDACTED@{host}{path}"),
    }
}

/// `server.port`: the one in the URI, or its scheme's.
pub(crate) fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or(match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

/// The length that a message promises.
pub(crate) fn content_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_not_known_is_no_label_of_its_own() {
        assert_eq!(method(&Method::PATCH), "PATCH");
        assert_eq!(method(&Method::from_bytes(b"get").expect("a token")), "_OTHER");
        assert_eq!(method(&Method::from_bytes(b"BREW").expect("a token")), "_OTHER");
    }

    #[test]
    fn a_url_tells_no_password() {
        let shown = |text: &str| url(&text.parse().expect("a URI"));
        assert_eq!(shown("http://me:secret@host:81/a?b"), "http://REDACTED:REDACTED@host:81/a?b");
        assert_eq!(shown("https://host"), "https://host/");
        assert_eq!(shown("/only/a/path"), "/only/a/path");
    }
}
