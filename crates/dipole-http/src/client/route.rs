//! Where a request goes, and what it says of that.

use std::borrow::Cow;

use dipole_net::Addr;
use http::{Method, Uri, header, request, uri};

use super::ProtocolChoice;
use super::error::{ClientError, ClientErrorKind};

/// The target and the host of a request, as its head says them (RFC 9112 sections 3.2, 3.2.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    /// In origin-form; in authority-form for CONNECT.
    pub(super) target: Cow<'a, str>,
    pub(super) host: &'a [u8],
    /// The host and port of the URI; `None` when it has none.
    pub(super) authority: Option<&'a uri::Authority>,
    pub(super) security: Security,
}

/// Whether TLS is under HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    Plain,
    Tls,
}

/// Where an origin is, and how to speak with it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) addr: Addr,
    /// The name that the server's certificate must be for; `None` without TLS.
    pub(super) server_name: Option<String>,
    pub(super) protocol: ProtocolChoice,
    /// Host and port of an origin with TLS, by which it is remembered where else it is.
    pub(super) key: Option<Box<str>>,
    /// It is at `addr`, whatever it says of other places.
    pub(super) is_pinned: bool,
}

impl Security {
    fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }

    /// What is left out at the end of an authority (RFC 9110 section 4.2.3).
    pub(super) fn default_port_suffix(self) -> &'static str {
        match self {
            Self::Plain => ":80",
            Self::Tls => ":443",
        }
    }

    pub(super) fn is_tls(self) -> bool {
        self == Self::Tls
    }

    pub(super) fn scheme(self) -> uri::Scheme {
        match self {
            Self::Plain => uri::Scheme::HTTP,
            Self::Tls => uri::Scheme::HTTPS,
        }
    }
}

impl Target {
    /// Where the host and port of a URI are.
    pub(super) fn of(
        authority: &uri::Authority,
        security: Security,
        protocol: ProtocolChoice,
    ) -> Self {
        let host = authority.host();
        let port = authority.port_u16().unwrap_or(security.default_port());
        let addr = Addr::host(host, port);
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let server_name = (security == Security::Tls).then(|| bare.to_ascii_lowercase());
        let key = server_name.as_ref();
        let key = key.map(|_| format!("{}:{port}", host.to_ascii_lowercase()).into());
        Self { addr, server_name, protocol, key, is_pinned: false }
    }

    /// What is at `addr`, without TLS.
    pub(super) fn plain(addr: Addr, protocol: ProtocolChoice) -> Self {
        Self { addr, server_name: None, protocol, key: None, is_pinned: true }
    }

    /// HTTP/3 may be spoken with it: it needs TLS, and what streams run over.
    pub(super) fn may_use_http3(&self) -> bool {
        let may = match self.protocol {
            ProtocolChoice::Http1 | ProtocolChoice::Http2 => false,
            ProtocolChoice::Negotiated | ProtocolChoice::Http3First | ProtocolChoice::Http3 => true,
        };
        may && self.server_name.is_some() && self.addr.scheme() != "unix"
    }

    /// A connection may turn out to take several requests at a time.
    pub(super) fn may_share(&self) -> bool {
        match self.protocol {
            ProtocolChoice::Http1 => false,
            ProtocolChoice::Http2 => true,
            ProtocolChoice::Negotiated | ProtocolChoice::Http3First | ProtocolChoice::Http3 => {
                self.server_name.is_some()
            }
        }
    }
}

impl<'a> Route<'a> {
    pub(super) fn of(parts: &'a request::Parts) -> Result<Self, ClientError> {
        let wrong = |message: String| Err(ClientError::new(ClientErrorKind::Request, message));
        let uri = &parts.uri;
        let security = match uri.scheme_str() {
            None | Some("http") => Security::Plain,
            Some("https") => Security::Tls,
            Some(_) => return wrong(format!("{uri}: write http://HOST[:PORT]/PATH, or https:")),
        };
        let authority = uri.authority();
        if let Some(authority) = authority {
            if authority.as_str().contains('@') {
                return wrong("no user and password in a URI; put them into Authorization".into());
            }
            // Looked for once, for this is on the way of each request.
            let host = authority.host();
            let port = authority.as_str().get(host.len()..).unwrap_or_default();
            let is_wrong = |port: &str| !port.is_empty() && port.parse::<u16>().is_err();
            if host.is_empty() || port.strip_prefix(':').is_some_and(is_wrong) {
                return wrong(format!(
                    "{uri}: write {}://HOST[:PORT]/PATH, the port up to 65535",
                    security.scheme()
                ));
            }
        }
        let own = parts.headers.get(header::HOST).map(|host| host.as_bytes());
        let named = || Some(host_field(authority?.as_str(), security).as_bytes());
        let Some(host) = own.or_else(named) else {
            return wrong(format!("{uri}: no host; write http://HOST[:PORT]/PATH"));
        };
        let target = match authority {
            // RFC 9112 3.2.3: the authority, for a tunnel to it.
            Some(authority) if parts.method == Method::CONNECT && uri.scheme().is_none() => {
                Cow::Borrowed(authority.as_str())
            }
            _ => target(uri),
        };
        Ok(Self { target, host, authority, security })
    }

    /// As a proxy is asked that forwards the request.
    pub(super) fn in_absolute_form(mut self) -> Self {
        if let Some(authority) = self.authority {
            let scheme = self.security.scheme();
            self.target = Cow::Owned(format!("{scheme}://{authority}{}", self.target));
        }
        self
    }
}

/// RFC 9112 3.2.1: an empty path is sent as a slash.
fn target(uri: &Uri) -> Cow<'_, str> {
    match uri.path_and_query().map(uri::PathAndQuery::as_str) {
        Some(target) if target.starts_with('/') => Cow::Borrowed(target),
        Some(target) => Cow::Owned(format!("/{target}")),
        None => Cow::Borrowed("/"),
    }
}

/// RFC 9110 4.2.3: the port of the scheme is left out.
fn host_field(authority: &str, security: Security) -> &str {
    let suffix = security.default_port_suffix();
    authority.strip_suffix(suffix).or_else(|| authority.strip_suffix(':')).unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: &str, uri: &str) -> request::Parts {
        let request = Request::builder().method(method).uri(uri).body(());
        request.expect("a request").into_parts().0
    }

    #[test]
    fn a_uri_is_split_into_target_and_host() {
        for (uri, target, host, addr, server_name) in [
            ("http://a", "/", "a", "a:80", None),
            ("http://a/", "/", "a", "a:80", None),
            ("http://a:80/b?c", "/b?c", "a", "a:80", None),
            ("http://a:8080?c", "/?c", "a:8080", "a:8080", None),
            ("http://a:443/", "/", "a:443", "a:443", None),
            ("http://127.0.0.1:1/x", "/x", "127.0.0.1:1", "127.0.0.1:1", None),
            ("http://[::1]:1/x", "/x", "[::1]:1", "[::1]:1", None),
            ("https://A.org/", "/", "A.org", "A.org:443", Some("a.org")),
            ("https://a:443/", "/", "a", "a:443", Some("a")),
            ("https://a:80/", "/", "a:80", "a:80", Some("a")),
            ("https://[::1]/", "/", "[::1]", "[::1]:443", Some("::1")),
        ] {
            let parts = parts("GET", uri);
            let route = Route::of(&parts).expect(uri);
            assert_eq!((&*route.target, route.host), (target, host.as_bytes()), "{uri}");
            let authority = route.authority.expect(uri);
            let to = Target::of(authority, route.security, ProtocolChoice::Negotiated);
            assert_eq!((&*to.addr.to_string(), to.server_name.as_deref()), (addr, server_name));
            assert_eq!(to.may_share(), server_name.is_some());
        }
    }

    #[test]
    fn the_requests_own_host_goes_before_the_uris() {
        let mut parts = parts("GET", "http://a/");
        parts.headers.insert("host", "b:1".parse().expect("a value"));
        assert_eq!(Route::of(&parts).expect("a route").host, b"b:1");
    }

    #[test]
    fn what_cannot_be_sent_is_said_so() {
        for (uri, text) in [
            ("/a", "/a: no host; write http://HOST[:PORT]/PATH"),
            ("ftp://a/", "ftp://a/: write http://HOST[:PORT]/PATH, or https:"),
            (
                "http://a:65536/",
                "http://a:65536/: write http://HOST[:PORT]/PATH, the port up to 65535",
            ),
            ("http://u:p@a/", "no user and password in a URI; put them into Authorization"),
        ] {
            let error = Route::of(&parts("GET", uri)).expect_err(uri);
            assert_eq!((error.kind(), &*error.to_string()), (ClientErrorKind::Request, text));
        }
    }
}
