//! Where a request goes, and what it says of that.

use std::borrow::Cow;

use dipole_net::Addr;
use http::{Method, Uri, header, request, uri};

use super::error::{ClientError, ClientErrorKind};

/// The target and the host of a request, as its head says them (RFC 9112 sections 3.2, 3.2.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    /// In origin-form.
    pub(super) target: Cow<'a, str>,
    pub(super) host: &'a [u8],
    /// The host and port of the URI; `None` when it has none.
    pub(super) authority: Option<&'a uri::Authority>,
}

impl<'a> Route<'a> {
    pub(super) fn of(parts: &'a request::Parts) -> Result<Self, ClientError> {
        let wrong = |message: String| Err(ClientError::new(ClientErrorKind::Request, message));
        let uri = &parts.uri;
        if parts.method == Method::CONNECT {
            return wrong("CONNECT is not supported; ask the target itself".into());
        }
        match uri.scheme_str() {
            None | Some("http") => {}
            Some("https") => return wrong(format!("{uri}: TLS is not supported yet; use http:")),
            Some(_) => return wrong(format!("{uri}: write http://HOST[:PORT]/PATH")),
        }
        let authority = uri.authority();
        if let Some(authority) = authority {
            if authority.as_str().contains('@') {
                return wrong("no user and password in a URI; put them into Authorization".into());
            }
            let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
            if authority.host().is_empty() || (port.len() > 1 && authority.port_u16().is_none()) {
                return wrong(format!(
                    "{uri}: write http://HOST[:PORT]/PATH, the port up to 65535"
                ));
            }
        }
        let own = parts.headers.get(header::HOST).map(|host| host.as_bytes());
        let named = || Some(host_field(authority?.as_str()).as_bytes());
        let Some(host) = own.or_else(named) else {
            return wrong(format!("{uri}: no host; write http://HOST[:PORT]/PATH"));
        };
        Ok(Self { target: target(uri), host, authority })
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
fn host_field(authority: &str) -> &str {
    authority.strip_suffix(":80").or_else(|| authority.strip_suffix(':')).unwrap_or(authority)
}

/// Where to dial for a host and port.
pub(super) fn addr(authority: &uri::Authority) -> Addr {
    Addr::host(authority.host(), authority.port_u16().unwrap_or(80))
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
        for (uri, target, host, addr_text) in [
            ("http://a", "/", "a", "a:80"),
            ("http://a/", "/", "a", "a:80"),
            ("http://a:80/b?c", "/b?c", "a", "a:80"),
            ("http://a:8080?c", "/?c", "a:8080", "a:8080"),
            ("http://127.0.0.1:1/x", "/x", "127.0.0.1:1", "127.0.0.1:1"),
            ("http://[::1]:1/x", "/x", "[::1]:1", "[::1]:1"),
        ] {
            let parts = parts("GET", uri);
            let route = Route::of(&parts).expect(uri);
            assert_eq!((&*route.target, route.host), (target, host.as_bytes()), "{uri}");
            assert_eq!(addr(route.authority.expect(uri)).to_string(), addr_text);
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
        for (method, uri, text) in [
            ("GET", "/a", "/a: no host; write http://HOST[:PORT]/PATH"),
            ("GET", "https://a/", "https://a/: TLS is not supported yet; use http:"),
            ("GET", "ftp://a/", "ftp://a/: write http://HOST[:PORT]/PATH"),
            (
                "GET",
                "http://a:65536/",
                "http://a:65536/: write http://HOST[:PORT]/PATH, the port up to 65535",
            ),
            ("GET", "http://u:p@a/", "no user and password in a URI; put them into Authorization"),
            ("CONNECT", "a:443", "CONNECT is not supported; ask the target itself"),
        ] {
            let error = Route::of(&parts(method, uri)).expect_err(uri);
            assert_eq!((error.kind(), &*error.to_string()), (ClientErrorKind::Request, text));
        }
    }
}
