//! Where a redirect leads: a reference, resolved against the URI that was asked for (RFC 3986
//! section 5).

use http::Uri;
use http::uri::{Authority, Scheme};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// What servers write into `Location` and what may not be in a URI: it is encoded, as browsers do.
const NOT_IN_URIS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The URI that `location` means when it comes from `base`, without its fragment; `None` when it is
/// none of `http:` or `https:` that could be asked for.
pub(crate) fn resolve(base: &Uri, location: &[u8]) -> Option<Uri> {
    let encoded = percent_encode(location.trim_ascii(), NOT_IN_URIS).to_string();
    let reference = encoded.split('#').next().unwrap_or_default();
    let (scheme, rest) = match split_scheme(reference) {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase().parse::<Scheme>().ok()?, rest),
        None => (base.scheme().cloned().unwrap_or(Scheme::HTTP), reference),
    };
    let is_absolute = split_scheme(reference).is_some();
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return None;
    }
    let (authority, target) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let authority = rest[..end].parse::<Authority>().ok()?;
            (authority, normal(&rest[end..]))
        }
        // RFC 3986 5.2.2, strictly: a scheme without an authority is no URL of HTTP.
        None if is_absolute => return None,
        None => (base.authority()?.clone(), relative(base, rest)),
    };
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return None;
    }
    Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build().ok()
}

/// The scheme before the colon, if there is one.
fn split_scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, rest))
}

/// RFC 3986 5.2.2 and 5.2.3, without an authority.
fn relative(base: &Uri, reference: &str) -> String {
    let path = base.path();
    if reference.is_empty() {
        return base.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    }
    if reference.starts_with('?') {
        return format!("{path}{reference}");
    }
    if reference.starts_with('/') {
        return normal(reference);
    }
    let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
    normal(&format!("{folder}{reference}"))
}

/// A path and query whose path begins with a slash and has no dots as segments (RFC 3986 5.2.4).
fn normal(target: &str) -> String {
    let (path, query) = match target.find('?') {
        Some(at) => target.split_at(at),
        None => (target, ""),
    };
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            _ => segments.push(part),
        }
    }
    format!("/{}{query}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, location: &str) -> Option<String> {
        let base = base.parse().expect("a URI");
        resolve(&base, location.as_bytes()).map(|uri| uri.to_string())
    }

    /// RFC 3986 5.4, those that are of HTTP, without their fragments and parameters.
    #[test]
    fn the_examples_of_the_rfc_come_out() {
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
        ] {
            let uri = resolved("http://a/b/c/d;p?q", reference);
            assert_eq!(uri.as_deref(), Some(expected), "{reference:?}");
        }
    }

    #[test]
    fn other_hosts_schemes_and_letters() {
        for (reference, expected) in [
            ("https://x:8443/y?z", "https://x:8443/y?z"),
            ("HTTPS://x", "https://x/"),
            ("//x/a b/ü", "http://x/a%20b/%C3%BC"),
            ("  /x  ", "http://a/x"),
            ("/%41", "http://a/%41"),
            ("/a:b", "http://a/a:b"),
        ] {
            assert_eq!(resolved("http://a", reference).as_deref(), Some(expected), "{reference:?}");
        }
        for reference in [
            "ftp://x/",
            "javascript:x",
            "http:x",
            "http://",
            "http://u:p@x/",
            "//x:y:z/",
            "file:///",
        ] {
            assert_eq!(resolved("http://a", reference), None, "{reference:?}");
        }
    }
}
