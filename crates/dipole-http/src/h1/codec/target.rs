//! The four forms of a request target (RFC 9112 section 3.2), and `Host`.

use bytes::Bytes;
use http::{Method, Uri};

use super::reject::Reject;

/// Reads the target in the form that goes with the method. `share` gives it as an owned slice.
#[inline]
pub(super) fn parse(
    method: &Method,
    target: &[u8],
    share: impl FnOnce() -> Bytes,
) -> Result<Uri, Reject> {
    match target {
        [b'/', ..] if *method != Method::CONNECT => {
            let uri = Uri::from_maybe_shared(share()).map_err(|_| Reject::Target)?;
            // A fragment is not part of a target; the parser has cut it off.
            let kept = uri.path_and_query().map_or(0, |path| path.as_str().len());
            if kept == target.len() { Ok(uri) } else { Err(Reject::Target) }
        }
        _ => other_form(method, share()),
    }
}

fn other_form(method: &Method, target: Bytes) -> Result<Uri, Reject> {
    if *method == Method::CONNECT {
        // RFC 9112 3.2.3: authority-form, only for CONNECT. RFC 9110 9.3.6: with a port.
        return match host_and_port(&target) {
            Some((host, Some(1..))) if !host.is_empty() => {
                Uri::from_maybe_shared(target).map_err(|_| Reject::Target)
            }
            _ => Err(Reject::Target),
        };
    }
    if target == "*" {
        // RFC 9112 3.2.4: asterisk-form, only for OPTIONS.
        let is_options = *method == Method::OPTIONS;
        return if is_options { Ok(Uri::from_static("*")) } else { Err(Reject::Target) };
    }
    if target.contains(&b'#') {
        return Err(Reject::Target);
    }
    // RFC 9112 3.2.2: absolute-form.
    let uri = Uri::from_maybe_shared(target).map_err(|_| Reject::Target)?;
    let Some(authority) = uri.scheme().and(uri.authority()) else {
        return Err(Reject::Target);
    };
    // RFC 9110 4.2.4: user information in it is to be taken as an error. 4.2.1: so is no host.
    match host_and_port(authority.as_str().as_bytes()) {
        Some((host, _)) if !host.is_empty() => Ok(uri),
        _ => Err(Reject::Target),
    }
}

/// Is this the value of a `Host` field? (RFC 9110 section 7.2) It may be empty.
#[inline]
pub(super) fn is_host(value: &[u8]) -> bool {
    match value.iter().position(|&b| !IN_NAME[usize::from(b)]) {
        None => true,
        // Most have a name and a port, of which only five digits may be too many.
        Some(at @ 1..) if value[at] == b':' && value.len() - at < 6 => {
            value[at + 1..].iter().all(u8::is_ascii_digit)
        }
        Some(_) => host_and_port(value).is_some_and(|(host, _)| !host.is_empty()),
    }
}

/// The two parts of `uri-host [ ":" port ]`, `None` when it is not that. The port may be empty,
/// and is 0 then.
fn host_and_port(value: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let (host, port) = match value.iter().rposition(|b| !b.is_ascii_digit()) {
        Some(colon) if value[colon] == b':' => (&value[..colon], Some(port(&value[colon + 1..])?)),
        _ => (value, None),
    };
    let is_host = match host {
        [b'[', literal @ .., b']'] => {
            let is_in_literal = |&b: &u8| b.is_ascii_alphanumeric() || b":.%-_~".contains(&b);
            literal.len() > 1 && literal.iter().all(is_in_literal)
        }
        name => name.iter().all(|&b| IN_NAME[usize::from(b)]),
    };
    is_host.then_some((host, port))
}

fn port(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 {
        return None;
    }
    let port = digits.iter().fold(0, |port, b| port * 10 + u32::from(b - b'0'));
    u16::try_from(port).ok()
}

/// The bytes of a registered name or IPv4 address (RFC 3986 section 3.2.2).
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0u8;
    while b < 128 {
        table[b as usize] = b.is_ascii_alphanumeric();
        b += 1;
    }
    let others = b"-._~%!$&'()*+,;=";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn form(method: &str, target: &'static str) -> Result<String, Reject> {
        let method = Method::from_bytes(method.as_bytes()).expect("a token");
        let share = || Bytes::from_static(target.as_bytes());
        parse(&method, target.as_bytes(), share).map(|uri| uri.to_string())
    }

    #[test]
    fn each_form_goes_with_its_methods() {
        for (method, target) in [
            ("GET", "/"),
            ("GET", "/a/b?c=d&e"),
            ("GET", "//double"),
            ("GET", "/%00"),
            ("GET", "http://example.org/"),
            ("GET", "http://example.org:8080/a?b"),
            ("GET", "http://[::1]:80/"),
            ("OPTIONS", "*"),
            ("OPTIONS", "/"),
            ("OPTIONS", "http://example.org/"),
            ("CONNECT", "example.org:443"),
            ("CONNECT", "[::1]:443"),
        ] {
            assert_eq!(form(method, target).as_deref(), Ok(target), "{method}");
        }
        assert_eq!(form("GET", "http://example.org").as_deref(), Ok("http://example.org/"));
    }

    #[test]
    fn whatever_else_is_refused() {
        for (method, target) in [
            ("GET", ""),
            ("GET", "*"),
            ("GET", "index.html"),
            ("GET", "example.org:80"),
            ("GET", "/a#b"),
            ("GET", "/a?b#c"),
            ("GET", "/a b"),
            ("GET", "/a\u{1}b"),
            ("GET", "/a\tb"),
            ("GET", "http://"),
            ("GET", "http:///a"),
            ("GET", "http://user@example.org/"),
            ("GET", "http://example.org/#a"),
            ("GET", "http://:80/"),
            ("GET", "?a"),
            ("CONNECT", "/"),
            ("CONNECT", "*"),
            ("CONNECT", "example.org"),
            ("CONNECT", "example.org:"),
            ("CONNECT", ":443"),
            ("CONNECT", "example.org:99999"),
            ("CONNECT", "user@example.org:443"),
            ("CONNECT", "http://example.org:443/"),
        ] {
            assert_eq!(form(method, target), Err(Reject::Target), "{method} {target:?}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for host in ["", "a", "a:80", "a:", "127.0.0.1:1", "[::1]", "[::1]:65535", "a_b.c-d~"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b", "a, b", "a@b", "a/b", "a:b", "a:80:80", "a:123456", "a:70000", ":80", "[::1",
            "[]", "::1", "[::1]a", "a?", "a#", "a\\b", "\u{e9}", "a:+1", "http://a", "a\u{0}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
