//! A whole head into a response.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};

use super::fields::{self, Lines};
use super::framing::{self, ResponseFraming};
use super::head::HeadShape;
use super::reject::Reject;
use super::request;

/// A response without its body, and what its connection needs to know of it.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: ResponseFraming,
    /// The server will go on with this connection.
    pub(crate) keep_alive: bool,
}

/// Reads the head that was found as `shape`; `head` is exactly its bytes. Names and values are
/// slices of `head`, not copies. `method` is that of the request that is answered.
///
/// # Errors
/// What is wrong with it; nothing more can be read from the connection.
pub(crate) fn parse_response(
    head: &Bytes,
    shape: &HeadShape,
    method: &Method,
) -> Result<ResponseHead, Reject> {
    // RFC 9112 2.2 speaks of empty lines before a request only: here they may be the rest of
    // something else.
    if shape.leading > 0 {
        return Err(Reject::StartLine);
    }
    let cr = shape.ends.cr_of(0, head, 0).ok_or(Reject::LineEnd)?;
    let line = head.get(..cr).ok_or(Reject::LineEnd)?;
    // RFC 9112 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. Many servers
    // leave the second SP away with the reason.
    let (version, rest) = line.split_at_checked(8).ok_or(Reject::StartLine)?;
    let version = request::version(version)?;
    let status = match rest {
        [b' ', a, b, c] => [*a, *b, *c],
        [b' ', a, b, c, b' ', reason @ ..] if reason.iter().all(is_text) => [*a, *b, *c],
        _ => return Err(Reject::StartLine),
    };
    let status = StatusCode::from_bytes(&status).map_err(|_| Reject::StartLine)?;

    let mut headers = HeaderMap::with_capacity(shape.fields);
    let lines = Lines { start: cr + 2, count: shape.fields, ends: (&shape.ends, 1) };
    let facts = fields::parse(head, &lines, &mut headers)?;
    let framing = framing::of_response(method, status, version, &facts)?;
    let keep_alive = framing != ResponseFraming::UntilClose && framing::keep_alive(version, &facts);
    Ok(ResponseHead { status, version, headers, framing, keep_alive })
}

fn is_text(b: &u8) -> bool {
    matches!(b, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::super::head::{HeadLimits, HeadScan};
    use super::*;

    fn parse_for(method: &Method, held: &str) -> Result<ResponseHead, Reject> {
        let limits = HeadLimits::default();
        let shape = HeadScan::default().find_end(held.as_bytes(), &limits)?.expect("whole");
        let head = Bytes::copy_from_slice(&held.as_bytes()[..shape.len]);
        parse_response(&head, &shape, method)
    }

    fn parse(held: &str) -> Result<ResponseHead, Reject> {
        parse_for(&Method::GET, held)
    }

    #[test]
    fn a_response_is_what_was_sent() {
        let head =
            parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\n").expect("good");
        assert_eq!((head.status, head.version), (StatusCode::OK, Version::HTTP_11));
        assert_eq!(head.headers["server"], "x");
        assert_eq!(head.framing, ResponseFraming::Length(5));
        assert!(head.keep_alive);
        for line in [
            "HTTP/1.1 200",
            "HTTP/1.1 200 ",
            "HTTP/1.0 299 caf\u{e9} au lait",
            "HTTP/1.1 599 \t",
            "HTTP/1.1 999 x",
        ] {
            assert!(parse(&format!("{line}\r\n\r\n")).is_ok(), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_a_status_line_is_refused() {
        for (line, reject) in [
            ("HTTP/2.0 200 OK", Reject::Version),
            ("HTTP/1.1", Reject::StartLine),
            ("HTTP/1.1 ", Reject::StartLine),
            ("HTTP/1.1 20", Reject::StartLine),
            ("HTTP/1.1 2000 OK", Reject::StartLine),
            ("HTTP/1.1 099 OK", Reject::StartLine),
            ("HTTP/1.1 2x0 OK", Reject::StartLine),
            ("HTTP/1.1  200 OK", Reject::StartLine),
            ("HTTP/1.1\t200 OK", Reject::StartLine),
            ("HTTP/1.1 200 \u{1}", Reject::StartLine),
            ("ICY 200 OK", Reject::StartLine),
            ("\r\nHTTP/1.1 200 OK", Reject::StartLine),
            ("HTTP/1.1 200 a\rb", Reject::StartLine),
        ] {
            let held = format!("{line}\r\nx: y\r\n\r\n");
            assert_eq!(parse(&held).map(drop), Err(reject), "{line:?}");
        }
        for (fields, reject) in [
            ("a: b\r\n c\r\n", Reject::Fold),
            ("a : b\r\n", Reject::FieldName),
            ("a: \0\r\n", Reject::FieldValue),
            ("a: b\nc: d\r\n", Reject::LineEnd),
        ] {
            let held = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(parse(&held).map(drop), Err(reject), "{fields:?}");
        }
    }

    #[test]
    fn the_body_ends_as_the_request_and_the_status_say() {
        use ResponseFraming as F;
        let connect = Method::CONNECT;
        for (method, status, fields, framing) in [
            (&Method::GET, 200, "Content-Length: 5\r\n", F::Length(5)),
            (&Method::GET, 200, "Content-Length: 0\r\n", F::None),
            (&Method::GET, 200, "Transfer-Encoding: chunked\r\n", F::Chunked),
            (&Method::GET, 200, "", F::UntilClose),
            (&Method::GET, 404, "", F::UntilClose),
            (&Method::HEAD, 200, "Content-Length: 5\r\n", F::None),
            (&Method::HEAD, 200, "Transfer-Encoding: chunked\r\n", F::None),
            (&Method::HEAD, 200, "", F::None),
            (&Method::GET, 100, "", F::None),
            (&Method::GET, 103, "Content-Length: 5\r\n", F::None),
            (&Method::GET, 204, "Content-Length: 0\r\n", F::None),
            (&Method::GET, 204, "", F::None),
            (&Method::GET, 304, "Content-Length: 5\r\n", F::None),
            (&connect, 200, "", F::None),
            (&connect, 407, "Content-Length: 5\r\n", F::Length(5)),
        ] {
            let held = format!("HTTP/1.1 {status} x\r\n{fields}\r\n");
            let head = parse_for(method, &held).expect("good");
            assert_eq!(head.framing, framing, "{method} {status} {fields:?}");
            assert_eq!(head.keep_alive, framing != F::UntilClose);
        }
    }

    #[test]
    fn framing_that_recipients_may_disagree_on_is_refused() {
        for (fields, reject) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Reject::BothLengths),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Reject::ContentLengthRepeated),
            ("Content-Length: 5, 5\r\n", Reject::ContentLengthRepeated),
            ("Content-Length: +5\r\n", Reject::ContentLength),
            ("Transfer-Encoding: gzip, chunked\r\n", Reject::TransferCodingUnknown),
            ("Transfer-Encoding: gzip\r\n", Reject::TransferEncoding),
            ("Transfer-Encoding: chunked, chunked\r\n", Reject::TransferEncoding),
        ] {
            for method in [Method::GET, Method::HEAD] {
                let held = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
                let parsed = parse_for(&method, &held).map(drop);
                if method == Method::GET {
                    assert_eq!(parsed, Err(reject), "{fields:?}");
                }
            }
        }
        let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(parse(old).map(drop), Err(Reject::TransferEncodingOld));
    }

    #[test]
    fn the_connection_goes_on_or_not() {
        for (version, fields, keep_alive) in [
            ("1.1", "Content-Length: 1\r\n", true),
            ("1.1", "Content-Length: 1\r\nConnection: close\r\n", false),
            ("1.1", "", false),
            ("1.0", "Content-Length: 1\r\n", false),
            ("1.0", "Content-Length: 1\r\nConnection: keep-alive\r\n", true),
        ] {
            let head = parse(&format!("HTTP/{version} 200 OK\r\n{fields}\r\n")).expect("good");
            assert_eq!(head.keep_alive, keep_alive, "{version} {fields:?}");
        }
    }
}
