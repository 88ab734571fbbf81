//! A request's head, out of its field section.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use hyper::ext::Protocol;

use super::fields::{Pseudo, Section, SectionFault, is_of_connection};

/// A request, and what its `content-length` says.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) request: Request<()>,
    pub(crate) content_length: Option<u64>,
}

/// What a server takes besides the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtendedConnect {
    Taken,
    Refused,
}

/// Reads a request's head.
///
/// # Errors
/// `Malformed`, where RFC 9114 section 4.3.1 says so; `UnknownProtocol`.
pub(crate) fn read(section: Section, extended: ExtendedConnect) -> Result<Head, SectionFault> {
    let Section { pseudo, mut fields } = section;
    if pseudo.status.is_some() {
        return Err(SectionFault::Malformed);
    }
    let content_length = check_fields(&fields)?;
    join_cookies(&mut fields)?;
    let method = pseudo.method.as_deref().ok_or(SectionFault::Malformed)?;
    let method = Method::from_bytes(method).map_err(|_| SectionFault::Malformed)?;
    let mut request = Request::new(());
    if let Some(protocol) = &pseudo.protocol {
        // RFC 9220 section 3: an extended CONNECT, which was offered.
        if method != Method::CONNECT || extended == ExtendedConnect::Refused {
            return Err(SectionFault::Malformed);
        }
        request.extensions_mut().insert(known(protocol).ok_or(SectionFault::UnknownProtocol)?);
    }
    *request.uri_mut() = target(&method, pseudo, &fields)?;
    *request.method_mut() = method;
    *request.version_mut() = Version::HTTP_3;
    *request.headers_mut() = fields;
    Ok(Head { request, content_length })
}

/// A protocol in the form that handlers know from HTTP/2, which has no way to take another text.
fn known(protocol: &[u8]) -> Option<Protocol> {
    Some(Protocol::from_static(match protocol {
        b"websocket" => "websocket",
        b"connect-udp" => "connect-udp",
        b"connect-ip" => "connect-ip",
        b"webtransport" => "webtransport",
        _ => return None,
    }))
}

/// What a request is for (RFC 9114 sections 4.3.1 and 4.4).
fn target(method: &Method, pseudo: Pseudo, fields: &HeaderMap) -> Result<Uri, SectionFault> {
    let malformed = SectionFault::Malformed;
    let mut parts = http::uri::Parts::default();
    let is_plain_connect = method == Method::CONNECT && pseudo.protocol.is_none();
    if is_plain_connect {
        if pseudo.scheme.is_some() || pseudo.path.is_some() {
            return Err(malformed);
        }
    } else {
        let scheme = pseudo.scheme.ok_or(malformed)?;
        parts.scheme = Some(match &scheme[..] {
            b"https" => Scheme::HTTPS,
            b"http" => Scheme::HTTP,
            other => Scheme::try_from(other).map_err(|_| malformed)?,
        });
        parts.path_and_query = Some(path(method, pseudo.path.ok_or(malformed)?)?);
    }
    let mut hosts = fields.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(malformed);
    }
    let authority = match (pseudo.authority, host) {
        (Some(authority), Some(host)) if authority != host => return Err(malformed),
        (Some(authority), _) => authority,
        (None, Some(host)) if !is_plain_connect => Bytes::copy_from_slice(host),
        (None, _) => return Err(malformed),
    };
    // 4.3.1: no user information.
    if authority.is_empty() || authority.contains(&b'@') {
        return Err(malformed);
    }
    let authority = Authority::from_maybe_shared(authority).map_err(|_| malformed)?;
    if is_plain_connect && authority.port_u16().is_none() {
        return Err(malformed);
    }
    parts.authority = Some(authority);
    Uri::from_parts(parts).map_err(|_| malformed)
}

fn path(method: &Method, path: Bytes) -> Result<PathAndQuery, SectionFault> {
    match &path[..] {
        b"/" => return Ok(PathAndQuery::from_static("/")),
        b"*" if method == Method::OPTIONS => return Ok(PathAndQuery::from_static("*")),
        [b'/', ..] => {}
        _ => return Err(SectionFault::Malformed),
    }
    let length = path.len();
    let parsed = PathAndQuery::from_maybe_shared(path).map_err(|_| SectionFault::Malformed)?;
    // A fragment is not part of a path; the parser has cut it off.
    let is_whole = parsed.as_str().len() == length;
    if is_whole { Ok(parsed) } else { Err(SectionFault::Malformed) }
}

/// Checks the fields, and gives what `content-length` says.
pub(crate) fn check_fields(fields: &HeaderMap) -> Result<Option<u64>, SectionFault> {
    let mut length = None;
    for (name, value) in fields {
        let is_wrong = match *name {
            header::CONTENT_LENGTH => {
                let before = length;
                length = Some(decimal(value.as_bytes()).ok_or(SectionFault::Malformed)?);
                before.is_some() && before != length
            }
            // RFC 9114 4.2.
            header::TE => !value.as_bytes().eq_ignore_ascii_case(b"trailers"),
            _ => is_of_connection(name),
        };
        if is_wrong {
            return Err(SectionFault::Malformed);
        }
    }
    Ok(length)
}

fn decimal(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// RFC 9114 4.2.1: cookies that came in several fields are one field for whoever does not know of
/// HTTP/3.
fn join_cookies(fields: &mut HeaderMap) -> Result<(), SectionFault> {
    let mut cookies = fields.get_all(header::COOKIE).iter();
    let Some(first) = cookies.next() else { return Ok(()) };
    let mut joined = first.as_bytes().to_vec();
    let mut is_one = true;
    for cookie in cookies {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
        is_one = false;
    }
    if !is_one {
        let joined = HeaderValue::from_maybe_shared(Bytes::from(joined));
        fields.insert(header::COOKIE, joined.map_err(|_| SectionFault::Malformed)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn head(pseudo: &[(&str, &str)], fields: &[(&str, &str)]) -> Result<Head, SectionFault> {
        let mut section = Section::default();
        for (name, value) in pseudo {
            let place = match *name {
                "method" => &mut section.pseudo.method,
                "scheme" => &mut section.pseudo.scheme,
                "authority" => &mut section.pseudo.authority,
                "path" => &mut section.pseudo.path,
                "protocol" => &mut section.pseudo.protocol,
                _ => &mut section.pseudo.status,
            };
            *place = Some(Bytes::copy_from_slice(value.as_bytes()));
        }
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            section.fields.append(name, value.parse().unwrap());
        }
        read(section, ExtendedConnect::Taken)
    }

    const GET: [(&str, &str); 4] =
        [("method", "GET"), ("scheme", "https"), ("authority", "a:1"), ("path", "/p?q")];

    fn without(name: &str) -> Vec<(&'static str, &'static str)> {
        GET.into_iter().filter(|(known, _)| *known != name).collect()
    }

    fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
        let mut list = without(name);
        list.push((name, value));
        list
    }

    #[test]
    fn a_request_has_its_target_and_its_length() {
        let Head { request, content_length } =
            head(&GET, &[("content-length", "5"), ("cookie", "a=1"), ("cookie", "b=2")]).unwrap();
        assert_eq!(request.uri(), "https://a:1/p?q");
        assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_3));
        assert_eq!(content_length, Some(5));
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        let by_host = head(&without("authority"), &[("host", "b")]).unwrap();
        assert_eq!(by_host.request.uri(), "https://b/p?q");
    }

    #[test]
    fn connect_has_an_authority_alone_unless_it_is_extended() {
        let connect = head(&[("method", "CONNECT"), ("authority", "a:443")], &[]).unwrap();
        assert_eq!(connect.request.uri(), "a:443");
        let mut extended = with("method", "CONNECT");
        extended.push(("protocol", "websocket"));
        let request = head(&extended, &[]).unwrap().request;
        assert_eq!(request.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
        assert!(head(&with("method", "CONNECT"), &[]).is_err());
        assert!(head(&[("method", "CONNECT"), ("authority", "a")], &[]).is_err());
        let mut other = with("method", "CONNECT");
        other.push(("protocol", "other"));
        assert_eq!(head(&other, &[]).unwrap_err(), SectionFault::UnknownProtocol);
        let mut get = GET.to_vec();
        get.push(("protocol", "websocket"));
        assert!(head(&get, &[]).is_err());
    }

    #[test]
    fn malformed_requests_are_refused() {
        for pseudo in [
            without("method"),
            without("scheme"),
            without("path"),
            without("authority"),
            with("path", ""),
            with("path", "p"),
            with("path", "*"),
            with("path", "/a#b"),
            with("path", "/a b"),
            with("authority", ""),
            with("authority", "user@a"),
            with("method", "G T"),
            with("status", "200"),
        ] {
            assert_eq!(head(&pseudo, &[]).unwrap_err(), SectionFault::Malformed, "{pseudo:?}");
        }
        for field in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "x"),
            ("keep-alive", "x"),
            ("proxy-connection", "x"),
            ("te", "gzip"),
            ("host", "other"),
            ("content-length", "5, 5"),
            ("content-length", "+5"),
            ("content-length", ""),
        ] {
            assert_eq!(head(&GET, &[field]).unwrap_err(), SectionFault::Malformed, "{field:?}");
        }
        let twice = [("content-length", "1"), ("content-length", "2")];
        assert!(head(&GET, &twice).is_err());
        assert!(head(&GET, &[("host", "a:1"), ("host", "a:1")]).is_err());
        assert!(head(&GET, &[("te", "trailers"), ("host", "a:1")]).is_ok());
    }
}
