//! A whole head into a request.

use std::ops::Range;

use bytes::Bytes;
use http::{Method, Request, Version};

use super::fields::{self, Expect, Facts, Lines};
use super::framing::{self, BodyFraming};
use super::head::{HeadLimits, HeadShape};
use super::reject::Reject;
use super::{scan, target};

/// What the connection needs to know of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestFacts {
    pub(crate) framing: BodyFraming,
    /// The client will go on with this connection, if the server will.
    pub(crate) keep_alive: bool,
    /// The client waits for 100 (Continue) before it sends the body, which is not empty.
    pub(crate) expect_continue: bool,
    /// The client asks for another protocol on this connection.
    pub(crate) upgrade: bool,
}

/// Reads the head that was found as `shape` into `request`, a new one; `head` is exactly its bytes. Names and values are slices of `head`, not copies.
///
/// The target is kept in the form that was sent: with scheme and authority for absolute-form, the
/// authority alone for CONNECT, `*` for OPTIONS. The authority, when there is one, goes before
/// `Host` (RFC 9112 section 3.2.2), which stays as it came. The version is HTTP/1.0 or HTTP/1.1.
///
/// # Errors
/// Why the request is refused: answer so, and close.
#[inline]
pub(crate) fn parse_request<B>(
    head: &Bytes,
    shape: &HeadShape,
    limits: &HeadLimits,
    request: &mut Request<B>,
) -> Result<RequestFacts, Reject> {
    let line = shape.start_line(head).ok_or(Reject::LineEnd)?;
    let at = line.start;
    let share = |target: Range<usize>| head.slice(at + target.start..at + target.end);
    parse_line(&head[line.clone()], share, limits, request)?;
    request.headers_mut().reserve(shape.fields);
    let lines = Lines { start: line.end + 2, count: shape.fields, ends: (&shape.ends, 1) };
    let facts = fields::parse(head, &lines, request.headers_mut())?;
    check_host(head, &facts)?;
    settle(request.version(), &facts)
}

/// Reads a request line, without its line end, into a new request: of `GET / HTTP/1.1` it has
/// everything already. `share` gives a part of the line as an owned slice.
#[inline]
pub(super) fn parse_line<B>(
    line: &[u8],
    share: impl FnOnce(Range<usize>) -> Bytes,
    limits: &HeadLimits,
    request: &mut Request<B>,
) -> Result<(), Reject> {
    // RFC 9112 3: request-line = method SP request-target SP HTTP-version, with one SP each.
    let space = match line {
        [b'G', b'E', b'T', b' ', ..] => 3,
        _ => {
            let space = scan::find(line, b' ').ok_or(Reject::StartLine)?;
            let method = Method::from_bytes(&line[..space]).map_err(|_| Reject::Method)?;
            *request.method_mut() = method;
            space
        }
    };
    let start = space + 1;
    let end = line.len().checked_sub(9).filter(|&at| at > start && line[at] == b' ');
    let end = end.ok_or(Reject::StartLine)?;
    *request.version_mut() = version(&line[end + 1..])?;
    if end - start > limits.max_target_bytes.min(MAX_URI) {
        return Err(Reject::TargetTooLong);
    }
    let target = &line[start..end];
    if target != b"/" || *request.method() == Method::CONNECT {
        *request.uri_mut() = target::parse(request.method(), target, || share(start..end))?;
    }
    Ok(())
}

/// The target of a request line that was read well.
pub(super) fn target_of(line: &[u8]) -> &[u8] {
    let start = scan::find(line, b' ').map_or(0, |space| space + 1);
    line.get(start..line.len().saturating_sub(9)).unwrap_or_default()
}

/// RFC 9112 3.2: a second Host or an invalid one is a 400; `settle` sees to a missing one.
#[inline]
pub(super) fn check_host(head: &[u8], facts: &Facts) -> Result<(), Reject> {
    match facts.host {
        _ if facts.has_host_again => Err(Reject::HostRepeated),
        Some((start, end)) if !target::is_host(&head[start..end]) => Err(Reject::Host),
        _ => Ok(()),
    }
}

/// What the fields mean to a request of this version.
#[inline]
pub(super) fn settle(version: Version, facts: &Facts) -> Result<RequestFacts, Reject> {
    let is_new = version == Version::HTTP_11;
    if is_new && facts.host.is_none() {
        return Err(Reject::HostMissing);
    }
    let framing = framing::of_request(version, facts)?;
    Ok(RequestFacts {
        framing,
        keep_alive: framing::keep_alive(version, facts),
        expect_continue: match facts.expect {
            // RFC 9110 10.1.1: the expectation of an HTTP/1.0 request is ignored.
            Expect::Continue => is_new && framing != BodyFraming::None,
            Expect::Other if is_new => return Err(Reject::Expectation),
            Expect::Other | Expect::Nothing => false,
        },
        // RFC 9110 7.8: Upgrade of an HTTP/1.0 request is ignored, and it needs its option.
        upgrade: is_new && facts.has_upgrade && facts.connection.upgrade,
    })
}

/// What `http::Uri` takes.
const MAX_URI: usize = 65_534;

/// The version, of which 8 bytes are given.
#[inline]
pub(super) fn version(text: &[u8]) -> Result<Version, Reject> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        // RFC 9110 2.5: a higher minor version is taken as the highest one that is known.
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::HTTP_11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Reject::Version),
        _ => Err(Reject::StartLine),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Uri};

    use super::super::head::HeadScan;
    use super::*;

    /// A request and its facts.
    #[derive(Debug)]
    struct RequestHead {
        method: Method,
        uri: Uri,
        version: Version,
        headers: HeaderMap,
        framing: BodyFraming,
        keep_alive: bool,
        expect_continue: bool,
        upgrade: bool,
    }

    fn parse_request(
        head: &Bytes,
        shape: &HeadShape,
        limits: &HeadLimits,
    ) -> Result<RequestHead, Reject> {
        let mut request = Request::new(());
        let facts = super::parse_request(head, shape, limits, &mut request)?;
        let (parts, ()) = request.into_parts();
        Ok(RequestHead {
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            headers: parts.headers,
            framing: facts.framing,
            keep_alive: facts.keep_alive,
            expect_continue: facts.expect_continue,
            upgrade: facts.upgrade,
        })
    }

    const LIMITS: HeadLimits =
        HeadLimits { max_head_bytes: 4096, max_target_bytes: 1024, max_fields: 10 };

    fn parse(held: &[u8]) -> Result<Option<RequestHead>, Reject> {
        let Some(shape) = HeadScan::default().find_end(held, &LIMITS)? else {
            return Ok(None);
        };
        parse_request(&Bytes::copy_from_slice(&held[..shape.len]), &shape, &LIMITS).map(Some)
    }

    fn good(held: &str) -> RequestHead {
        match parse(held.as_bytes()) {
            Ok(Some(head)) => head,
            other => panic!("{held:?}: {other:?}"),
        }
    }

    /// Fields after a request line and a `Host` that are well formed.
    fn with(fields: &str) -> String {
        format!("POST /path HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")
    }

    #[test]
    fn a_request_is_what_was_sent() {
        let head =
            good("GET /a?b=c HTTP/1.1\r\nHost: example.org\r\nX-A: 1\r\nx-a:\t2 \t\r\nE:\r\n\r\n");
        assert_eq!(head.method, Method::GET);
        assert_eq!(head.uri, "/a?b=c");
        assert_eq!(head.version, Version::HTTP_11);
        assert_eq!(head.headers["host"], "example.org");
        assert_eq!(head.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(head.headers["e"], "");
        assert_eq!(head.headers.len(), 4);
        assert_eq!(head.framing, BodyFraming::None);
        assert!(head.keep_alive && !head.expect_continue && !head.upgrade);
    }

    #[test]
    fn names_and_values_are_not_copied() {
        let text = Bytes::from_static(b"GET /path HTTP/1.1\r\nHost: a.b\r\nX: yyy\r\n\r\n");
        let shape = HeadScan::default().find_end(&text, &LIMITS).expect("good").expect("whole");
        let head = parse_request(&text, &shape, &LIMITS).expect("good");
        let range = text.as_ptr_range();
        assert!(range.contains(&head.headers["x"].as_bytes().as_ptr()));
        assert!(range.contains(&head.headers["host"].as_bytes().as_ptr()));
        assert!(range.contains(&head.uri.path().as_ptr()));
    }

    #[test]
    fn methods_targets_and_versions() {
        for (start, method, uri, version) in [
            ("GET / HTTP/1.0", "GET", "/", Version::HTTP_10),
            ("get / HTTP/1.1", "get", "/", Version::HTTP_11),
            ("M-SEARCH / HTTP/1.1", "M-SEARCH", "/", Version::HTTP_11),
            ("VERY-LONG-METHOD-NAME /x HTTP/1.1", "VERY-LONG-METHOD-NAME", "/x", Version::HTTP_11),
            ("GET / HTTP/1.2", "GET", "/", Version::HTTP_11),
            ("GET http://b/c HTTP/1.1", "GET", "http://b/c", Version::HTTP_11),
            ("CONNECT b:443 HTTP/1.1", "CONNECT", "b:443", Version::HTTP_11),
        ] {
            for leading in ["", "\r\n", "\r\n\r\n"] {
                let head = good(&format!("{leading}{start}\r\nhost: a\r\n\r\n"));
                assert_eq!((head.method.as_str(), head.version), (method, version), "{start}");
                assert_eq!(head.uri.to_string(), uri);
                assert_eq!(head.headers["host"], "a");
            }
        }
        assert_eq!(good("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n").uri.path(), "*");
        good("GET / HTTP/1.0\r\n\r\n");
        good("GET / HTTP/1.1\r\nhost:\r\n\r\n");
    }

    #[test]
    fn what_is_not_a_request_line_is_refused() {
        for (line, reject) in [
            ("GET /", Reject::StartLine),
            ("GET  HTTP/1.1", Reject::StartLine),
            ("GET / HTTP/1.1 ", Reject::StartLine),
            ("GET / http/1.1", Reject::StartLine),
            ("GET / HTTP/1.", Reject::StartLine),
            ("GET / HTTP/11", Reject::StartLine),
            ("GET / HTTP/1.1x", Reject::StartLine),
            ("GET /\tHTTP/1.1", Reject::StartLine),
            ("GET\t/ HTTP/1.1", Reject::Method),
            ("GET / HTTP/1.1\0", Reject::StartLine),
            ("GETHTTP/1.1", Reject::StartLine),
            ("GET HTTP/1.1", Reject::StartLine),
            ("GET /  HTTP/1.1", Reject::Target),
            ("GET  / HTTP/1.1", Reject::Target),
            ("GET /a b HTTP/1.1", Reject::Target),
            ("GET /\u{7f} HTTP/1.1", Reject::Target),
            ("GET * HTTP/1.1", Reject::Target),
            ("GET a:80 HTTP/1.1", Reject::Target),
            ("G(T / HTTP/1.1", Reject::Method),
            ("GET: / HTTP/1.1", Reject::Method),
            (" GET / HTTP/1.1", Reject::Method),
            (" / HTTP/1.1", Reject::Method),
            ("\u{e9} / HTTP/1.1", Reject::Method),
            ("GET / HTTP/2.0", Reject::Version),
            ("GET / HTTP/0.9", Reject::Version),
            ("PRI * HTTP/2.0", Reject::Version),
            ("GET /\ra HTTP/1.1", Reject::Target),
            ("GET / HTTP/1.1\r", Reject::StartLine),
        ] {
            let held = format!("{line}\r\nHost: a\r\n\r\n");
            assert_eq!(parse(held.as_bytes()).map(drop), Err(reject), "{line:?}");
        }
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(1024));
        assert_eq!(parse(long.as_bytes()).map(drop), Err(Reject::TargetTooLong));
    }

    #[test]
    fn what_is_not_a_field_line_is_refused() {
        for (line, reject) in [
            ("x", Reject::FieldName),
            (":", Reject::FieldName),
            (": x", Reject::FieldName),
            ("x : y", Reject::FieldName),
            ("x\t: y", Reject::FieldName),
            ("x y: z", Reject::FieldName),
            ("x\0: y", Reject::FieldName),
            ("x(y): z", Reject::FieldName),
            // Once read as the names without the NUL.
            ("Host\0: a", Reject::FieldName),
            ("Content-Length\0: 5", Reject::FieldName),
            ("Transfer-Encoding\0: chunked", Reject::FieldName),
            ("Connection\0\0: close", Reject::FieldName),
            ("\u{e9}: y", Reject::FieldName),
            ("no-colon-in-a-line-of-many-bytes", Reject::FieldName),
            ("Transfer-Encoding : chunked", Reject::FieldName),
            ("Content-Length : 5", Reject::FieldName),
            ("a: b\r\n c", Reject::Fold),
            ("a: b\r\n\tc", Reject::Fold),
            (" a: b", Reject::Fold),
            ("a: b\r\n ", Reject::Fold),
            ("a: \0", Reject::FieldValue),
            ("a: b\u{1}", Reject::FieldValue),
            ("a: b\u{7f}c", Reject::FieldValue),
            ("a: b\u{b}", Reject::FieldValue),
            ("a: b\rc: d", Reject::FieldValue),
            ("a: b\r", Reject::FieldValue),
            ("a: b\r\r", Reject::FieldValue),
            ("a\rb: c", Reject::FieldName),
            ("a: b\nc: d", Reject::LineEnd),
            ("a: b\n", Reject::LineEnd),
            ("a:\n b", Reject::LineEnd),
        ] {
            let held = with(line);
            assert_eq!(parse(held.as_bytes()).map(drop), Err(reject), "{line:?}");
        }
        let many = "a: b\r\n".repeat(10) + "a: b";
        assert_eq!(parse(with(&many).as_bytes()).map(drop), Err(Reject::TooManyFields));
        let last = "GET / HTTP/1.1\r\nHost: a\r\nx\r\n\r\n: y\r\n\r\n";
        assert_eq!(parse(last.as_bytes()).map(drop), Err(Reject::FieldName));
    }

    #[test]
    fn host_is_there_once_and_is_a_host() {
        for (fields, reject) in [
            ("", Reject::HostMissing),
            ("x-host: a\r\n", Reject::HostMissing),
            ("Host: a\r\nHost: a\r\n", Reject::HostRepeated),
            ("Host: a\r\nx: y\r\nhost: b\r\n", Reject::HostRepeated),
            ("Host: a b\r\n", Reject::Host),
            ("Host: a, b\r\n", Reject::Host),
            ("Host: a/b\r\n", Reject::Host),
            ("Host: u@a\r\n", Reject::Host),
            ("Host: a:b\r\n", Reject::Host),
        ] {
            for target in ["/", "http://b/"] {
                let held = format!("GET {target} HTTP/1.1\r\n{fields}\r\n");
                assert_eq!(parse(held.as_bytes()).map(drop), Err(reject), "{fields:?}");
            }
        }
        let old = b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n";
        assert_eq!(parse(old).map(drop), Err(Reject::HostRepeated));
    }

    #[test]
    fn the_framing_is_one_that_all_recipients_agree_on() {
        for (fields, framing) in [
            ("x: y", BodyFraming::None),
            ("Content-Length: 0", BodyFraming::None),
            ("Content-Length: 5", BodyFraming::Length(5)),
            ("content-length: 0005", BodyFraming::Length(5)),
            ("CONTENT-LENGTH:\t18446744073709551615 ", BodyFraming::Length(u64::MAX)),
            ("Transfer-Encoding: chunked", BodyFraming::Chunked),
            ("transfer-encoding:\tChunked ", BodyFraming::Chunked),
        ] {
            assert_eq!(good(&with(fields)).framing, framing, "{fields:?}");
        }
        for (fields, reject) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", Reject::BothLengths),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", Reject::BothLengths),
            ("Transfer-Encoding: gzip\r\nContent-Length: 5", Reject::BothLengths),
            ("Content-Length: 5\r\nContent-Length: 6", Reject::ContentLengthRepeated),
            ("Content-Length: 5\r\nContent-Length: 5", Reject::ContentLengthRepeated),
            ("Content-Length: 5, 5", Reject::ContentLengthRepeated),
            ("Content-Length: 5,6", Reject::ContentLengthRepeated),
            ("Content-Length:", Reject::ContentLength),
            ("Content-Length: ", Reject::ContentLength),
            ("Content-Length: +5", Reject::ContentLength),
            ("Content-Length: -1", Reject::ContentLength),
            ("Content-Length: 5 5", Reject::ContentLength),
            ("Content-Length: 0x5", Reject::ContentLength),
            ("Content-Length: 5.0", Reject::ContentLength),
            ("Content-Length: 1e3", Reject::ContentLength),
            ("Content-Length: five", Reject::ContentLength),
            ("Content-Length: \u{665}", Reject::ContentLength),
            ("Content-Length: 18446744073709551616", Reject::ContentLength),
            ("Content-Length: 99999999999999999999", Reject::ContentLength),
            ("Transfer-Encoding:", Reject::TransferEncoding),
            ("Transfer-Encoding: gzip", Reject::TransferEncoding),
            ("Transfer-Encoding: identity", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked, gzip", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked, chunked", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Reject::TransferEncoding),
            ("Transfer-Encoding: xchunked", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked;a=b", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked,", Reject::TransferEncoding),
            ("Transfer-Encoding: \"chunked\"", Reject::TransferEncoding),
            ("Transfer-Encoding: chunk ed", Reject::TransferEncoding),
            ("Transfer-Encoding: \u{b}chunked", Reject::FieldValue),
            ("Transfer-Encoding: gzip, chunked", Reject::TransferCodingUnknown),
            (
                "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
                Reject::TransferCodingUnknown,
            ),
        ] {
            let held = with(fields);
            let refused = parse(held.as_bytes()).map(drop);
            if reject == Reject::FieldValue {
                assert!(refused.is_err(), "{fields:?}");
            } else {
                assert_eq!(refused, Err(reject), "{fields:?}");
            }
        }
        let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(parse(old).map(drop), Err(Reject::TransferEncodingOld));
    }

    #[test]
    fn the_connection_goes_on_or_not() {
        for (version, fields, keep_alive) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: Keep-Alive\r\n", true),
            ("1.1", "Connection: keep-alive, Close\r\n", false),
            ("1.1", "Connection: x\r\nconnection: close\r\n", false),
            ("1.1", "Connection: closed\r\n", true),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ] {
            let head = good(&format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n"));
            assert_eq!(head.keep_alive, keep_alive, "{version} {fields:?}");
        }
    }

    #[test]
    fn expectations_and_upgrades() {
        let head = good(&with("Expect: 100-Continue\r\nContent-Length: 5"));
        assert!(head.expect_continue);
        assert!(!good(&with("Expect: 100-continue")).expect_continue);
        let refused = parse(with("Expect: 200-ok\r\nContent-Length: 5").as_bytes()).map(drop);
        assert_eq!(refused, Err(Reject::Expectation));
        let old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        assert!(!good(old).expect_continue);

        assert!(good(&with("Upgrade: websocket\r\nConnection: keep-alive, Upgrade")).upgrade);
        assert!(!good(&with("Upgrade: websocket")).upgrade);
        assert!(!good(&with("Connection: upgrade")).upgrade);
        let shape = HeadScan::default().find_end(with("upgrade: a").as_bytes(), &LIMITS);
        assert!(shape.expect("good").expect("whole").has_upgrade);
    }

    #[test]
    fn lines_past_those_whose_ends_are_noted_are_read_like_any_other() {
        let limits = HeadLimits { max_fields: 100, ..LIMITS };
        let many: String = (0..60).map(|n| format!("x-{n}: value of {n}\r\n")).collect();
        for (last, refused) in [
            ("", None),
            ("a\rb: c\r\n", Some(Reject::FieldName)),
            ("a: b\rXc: d\r\n", Some(Reject::FieldValue)),
            ("abc\r\n", Some(Reject::FieldName)),
        ] {
            let held = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}{last}\r\n");
            let shape = HeadScan::default().find_end(held.as_bytes(), &limits);
            let shape = shape.expect("good").expect("whole");
            let parsed = parse_request(&Bytes::from(held), &shape, &limits);
            assert_eq!(parsed.as_ref().err(), refused.as_ref(), "{last:?}");
            if let Ok(head) = parsed {
                assert_eq!(head.headers.len(), 61);
                assert_eq!(head.headers["x-59"], "value of 59");
            }
        }
    }

    #[test]
    fn well_known_names_are_read_like_any_other() {
        let spelt = ["Host: a", "USER-AGENT: b", "aCCept: c", "Sec-Fetch-Mode: d", "X-Own: e"];
        let head = good(&format!("GET / HTTP/1.1\r\n{}\r\n\r\n", spelt.join("\r\n")));
        let names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["host", "user-agent", "accept", "sec-fetch-mode", "x-own"]);
    }

    #[test]
    fn nothing_is_taken_that_httparse_refuses() {
        // A second opinion: one byte of a good head is changed, each place and each byte.
        let sample = b"GET /p?q HTTP/1.1\r\nHost: a\r\nX-Long-Name-Of-A-Field: v w\r\n\r\n";
        for at in 0..sample.len() {
            for byte in 0..=255 {
                let mut held = sample.to_vec();
                held[at] = byte;
                let Ok(Some(head)) = parse(&held) else {
                    continue;
                };
                let mut fields = [httparse::EMPTY_HEADER; 10];
                let mut theirs = httparse::Request::new(&mut fields);
                let parsed = theirs.parse(&held);
                // HTTP/1.2 to 1.9, which it does not know.
                if at == 16 && byte.is_ascii_digit() {
                    continue;
                }
                assert_eq!(parsed, Ok(httparse::Status::Complete(held.len())), "{at} {byte}");
                assert_eq!(theirs.method, Some(head.method.as_str()));
                assert_eq!(theirs.headers.len(), head.headers.len());
                for field in theirs.headers {
                    assert_eq!(head.headers[field.name].as_bytes(), field.value);
                }
            }
        }
    }
}
