//! What of a request's target hyper takes, and no server should (RFC 9113 section 8.3.1).

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

/// False for a request that is malformed: user information in its authority, a `host` that is
/// another's or there are several of, `*` of another method than OPTIONS.
pub(super) fn is_sound<B>(request: &Request<B>) -> bool {
    let (uri, method) = (request.uri(), request.method());
    let authority = uri.authority().map(Authority::as_str);
    !authority.is_some_and(|authority| authority.contains('@'))
        && (uri.path() != "*" || method == Method::OPTIONS)
        && is_host_sound(uri, authority, request.headers())
}

fn is_host_sound(uri: &Uri, authority: Option<&str>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let (Some(host), several) = (hosts.next(), hosts.next().is_some()) else { return true };
    let is_host = || {
        let parsed = Authority::try_from(host);
        host.is_empty() || parsed.is_ok_and(|host| !host.as_str().contains('@'))
    };
    !several
        && match authority {
            Some(authority) => {
                let (named, host) =
                    (without_port(uri, authority.as_bytes()), without_port(uri, host));
                named.eq_ignore_ascii_case(host)
            }
            None => is_host(),
        }
}

/// Without the port that its scheme has anyway.
fn without_port<'a>(uri: &Uri, name: &'a [u8]) -> &'a [u8] {
    let port: &[u8] = match uri.scheme_str() {
        Some("http") => b":80",
        Some("https") => b":443",
        _ => return name,
    };
    name.strip_suffix(port).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(method: Method, uri: &str, hosts: &[&str]) -> bool {
        let mut request = Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        is_sound(&request.body(()).expect("a request"))
    }

    #[test]
    fn a_request_is_for_one_host() {
        assert!(sound(Method::GET, "http://a/", &[]));
        for host in ["a", "A", "a:80"] {
            assert!(sound(Method::GET, "http://a/", &[host]), "{host}");
        }
        assert!(sound(Method::GET, "https://a:443/", &["a"]));
        for hosts in [&["b"][..], &["a:81"], &[""], &["a", "a"], &["a", "b"], &["u@a"]] {
            assert!(!sound(Method::GET, "http://a/", hosts), "{hosts:?}");
        }
        assert!(!sound(Method::GET, "http://u:p@a/", &[]));
    }

    #[test]
    fn a_host_may_stand_for_the_authority() {
        assert!(sound(Method::GET, "/", &["a:1"]));
        for hosts in [&["u@a"][..], &["a b"], &["a/b"], &["a", "a"]] {
            assert!(!sound(Method::GET, "/", hosts), "{hosts:?}");
        }
    }

    #[test]
    fn the_asterisk_is_for_options() {
        assert!(sound(Method::OPTIONS, "*", &[]));
        assert!(!sound(Method::GET, "*", &[]));
    }
}
