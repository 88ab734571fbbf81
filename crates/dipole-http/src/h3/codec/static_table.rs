//! QPACK's static table (RFC 9204 appendix A).

use http::{HeaderName, HeaderValue};

/// One of its fields.
#[derive(Debug)]
pub(super) enum Entry {
    Authority(&'static str),
    Path(&'static str),
    Method(&'static str),
    Scheme(&'static str),
    Status(&'static str),
    Field(HeaderName, HeaderValue),
}

const fn field(name: &'static str, value: &'static str) -> Entry {
    Entry::Field(HeaderName::from_static(name), HeaderValue::from_static(value))
}

/// The field of this number.
pub(super) fn entry(index: u64) -> Option<&'static Entry> {
    TABLE.get(usize::try_from(index).ok()?)
}

/// What the table has of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Whole(u64),
    Name(u64),
    Nothing,
}

/// Looks a field up. Where those of one name do not stand together, the later ones are not found
/// as a whole.
pub(super) fn find(name: &HeaderName, value: &[u8]) -> Found {
    let Some(first) = first_of(name.as_str()) else { return Found::Nothing };
    for (entry, index) in TABLE[first..].iter().zip(first as u64..) {
        match entry {
            Entry::Field(known, same) if known == name => {
                if same.as_bytes() == value {
                    return Found::Whole(index);
                }
            }
            _ => break,
        }
    }
    Found::Name(first as u64)
}

/// What the table has of a request's pseudo field; its name begins with a colon.
pub(super) fn find_pseudo(name: &str, value: &str) -> Found {
    let whole = match (name, value) {
        (":path", "/") => 1,
        (":method", "CONNECT") => 15,
        (":method", "DELETE") => 16,
        (":method", "GET") => 17,
        (":method", "HEAD") => 18,
        (":method", "OPTIONS") => 19,
        (":method", "POST") => 20,
        (":method", "PUT") => 21,
        (":scheme", "http") => 22,
        (":scheme", "https") => 23,
        (":authority", _) => return Found::Name(0),
        (":path", _) => return Found::Name(1),
        (":method", _) => return Found::Name(15),
        (":scheme", _) => return Found::Name(22),
        _ => return Found::Nothing,
    };
    Found::Whole(whole)
}

/// The first of its name.
fn first_of(name: &str) -> Option<usize> {
    let index = match name {
        "age" => 2,
        "content-disposition" => 3,
        "content-length" => 4,
        "cookie" => 5,
        "date" => 6,
        "etag" => 7,
        "if-modified-since" => 8,
        "if-none-match" => 9,
        "last-modified" => 10,
        "link" => 11,
        "location" => 12,
        "referer" => 13,
        "set-cookie" => 14,
        "accept" => 29,
        "accept-encoding" => 31,
        "accept-ranges" => 32,
        "access-control-allow-headers" => 33,
        "access-control-allow-origin" => 35,
        "cache-control" => 36,
        "content-encoding" => 42,
        "content-type" => 44,
        "range" => 55,
        "strict-transport-security" => 56,
        "vary" => 59,
        "x-content-type-options" => 61,
        "x-xss-protection" => 62,
        "accept-language" => 72,
        "access-control-allow-credentials" => 73,
        "access-control-allow-methods" => 76,
        "access-control-expose-headers" => 79,
        "access-control-request-headers" => 80,
        "access-control-request-method" => 81,
        "alt-svc" => 83,
        "authorization" => 84,
        "content-security-policy" => 85,
        "early-data" => 86,
        "expect-ct" => 87,
        "forwarded" => 88,
        "if-range" => 89,
        "origin" => 90,
        "purpose" => 91,
        "server" => 92,
        "timing-allow-origin" => 93,
        "upgrade-insecure-requests" => 94,
        "user-agent" => 95,
        "x-forwarded-for" => 96,
        "x-frame-options" => 97,
        _ => return None,
    };
    Some(index)
}

static TABLE: [Entry; 99] = [
    Entry::Authority(""),
    Entry::Path("/"),
    field("age", "0"),
    field("content-disposition", ""),
    field("content-length", "0"),
    field("cookie", ""),
    field("date", ""),
    field("etag", ""),
    field("if-modified-since", ""),
    field("if-none-match", ""),
    field("last-modified", ""),
    field("link", ""),
    field("location", ""),
    field("referer", ""),
    field("set-cookie", ""),
    Entry::Method("CONNECT"),
    Entry::Method("DELETE"),
    Entry::Method("GET"),
    Entry::Method("HEAD"),
    Entry::Method("OPTIONS"),
    Entry::Method("POST"),
    Entry::Method("PUT"),
    Entry::Scheme("http"),
    Entry::Scheme("https"),
    Entry::Status("103"),
    Entry::Status("200"),
    Entry::Status("304"),
    Entry::Status("404"),
    Entry::Status("503"),
    field("accept", "*/*"),
    field("accept", "application/dns-message"),
    field("accept-encoding", "gzip, deflate, br"),
    field("accept-ranges", "bytes"),
    field("access-control-allow-headers", "cache-control"),
    field("access-control-allow-headers", "content-type"),
    field("access-control-allow-origin", "*"),
    field("cache-control", "max-age=0"),
    field("cache-control", "max-age=2592000"),
    field("cache-control", "max-age=604800"),
    field("cache-control", "no-cache"),
    field("cache-control", "no-store"),
    field("cache-control", "public, max-age=31536000"),
    field("content-encoding", "br"),
    field("content-encoding", "gzip"),
    field("content-type", "application/dns-message"),
    field("content-type", "application/javascript"),
    field("content-type", "application/json"),
    field("content-type", "application/x-www-form-urlencoded"),
    field("content-type", "image/gif"),
    field("content-type", "image/jpeg"),
    field("content-type", "image/png"),
    field("content-type", "text/css"),
    field("content-type", "text/html; charset=utf-8"),
    field("content-type", "text/plain"),
    field("content-type", "text/plain;charset=utf-8"),
    field("range", "bytes=0-"),
    field("strict-transport-security", "max-age=31536000"),
    field("strict-transport-security", "max-age=31536000; includesubdomains"),
    field("strict-transport-security", "max-age=31536000; includesubdomains; preload"),
    field("vary", "accept-encoding"),
    field("vary", "origin"),
    field("x-content-type-options", "nosniff"),
    field("x-xss-protection", "1; mode=block"),
    Entry::Status("100"),
    Entry::Status("204"),
    Entry::Status("206"),
    Entry::Status("302"),
    Entry::Status("400"),
    Entry::Status("403"),
    Entry::Status("421"),
    Entry::Status("425"),
    Entry::Status("500"),
    field("accept-language", ""),
    field("access-control-allow-credentials", "FALSE"),
    field("access-control-allow-credentials", "TRUE"),
    field("access-control-allow-headers", "*"),
    field("access-control-allow-methods", "get"),
    field("access-control-allow-methods", "get, post, options"),
    field("access-control-allow-methods", "options"),
    field("access-control-expose-headers", "content-length"),
    field("access-control-request-headers", "content-type"),
    field("access-control-request-method", "get"),
    field("access-control-request-method", "post"),
    field("alt-svc", "clear"),
    field("authorization", ""),
    field("content-security-policy", "script-src 'none'; object-src 'none'; base-uri 'none'"),
    field("early-data", "1"),
    field("expect-ct", ""),
    field("forwarded", ""),
    field("if-range", ""),
    field("origin", ""),
    field("purpose", "prefetch"),
    field("server", ""),
    field("timing-allow-origin", "*"),
    field("upgrade-insecure-requests", "1"),
    field("user-agent", ""),
    field("x-forwarded-for", ""),
    field("x-frame-options", "deny"),
    field("x-frame-options", "sameorigin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_under_its_name() {
        for (wanted, index) in TABLE.iter().zip(0u64..) {
            let Entry::Field(name, value) = wanted else { continue };
            match find(name, value.as_bytes()) {
                Found::Whole(found) => assert_eq!(found, index, "{name}"),
                Found::Name(found) => {
                    let Some(Entry::Field(same, _)) = entry(found) else { panic!("{name}") };
                    assert_eq!(same, name);
                }
                Found::Nothing => panic!("{name} is not found"),
            }
        }
        assert_eq!(find(&HeaderName::from_static("x-new"), b""), Found::Nothing);
    }

    #[test]
    fn every_pseudo_field_of_requests_is_found_where_it_stands() {
        for (wanted, index) in TABLE.iter().zip(0u64..) {
            let (name, value) = match wanted {
                Entry::Authority(value) => (":authority", value),
                Entry::Path(value) => (":path", value),
                Entry::Method(value) => (":method", value),
                Entry::Scheme(value) => (":scheme", value),
                Entry::Status(_) | Entry::Field(..) => continue,
            };
            let expected = if name == ":authority" { Found::Name(0) } else { Found::Whole(index) };
            assert_eq!(find_pseudo(name, value), expected, "{name} {value}");
        }
        assert_eq!(find_pseudo(":protocol", "websocket"), Found::Nothing);
    }
}
