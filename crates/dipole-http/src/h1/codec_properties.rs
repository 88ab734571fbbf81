//! What holds of the codec for any bytes whatever.
//!
//! Each function takes bytes as a peer may send them and panics when something does not hold that
//! should. They are run on mutated samples by the tests below, and by libFuzzer in `fuzz/`, which
//! includes this file and the codec as they stand.

use bytes::Bytes;
use http::{HeaderMap, Method, Request};

use super::codec::chunked::ChunkedDecoder;
use super::codec::encode::{CHUNK_END, LAST_CHUNK, chunk_head};
use super::codec::framing::Step;
use super::codec::head::{HeadLimits, HeadScan, HeadShape};
use super::codec::memo::{HeadKey, HeadMemo};
use super::codec::reject::Reject;
use super::codec::request::parse_request;
use super::codec::response::parse_response;

const LIMITS: HeadLimits =
    HeadLimits { max_head_bytes: 1024, max_target_bytes: 200, max_fields: 30 };

/// What was read from some bytes, in words, and of how many bytes; `None` when more have to come.
type Read = Result<Option<(String, usize)>, Reject>;

/// A request's head is read the same in one piece or many, from memory or not, and what is taken
/// has no byte that another parser could take for something else.
pub(crate) fn request_head(input: &[u8]) {
    let whole = check_pieces(input, read_request);
    let (mut memo, mut key) = (HeadMemo::new(1), HeadKey::default());
    for _ in 0..6 {
        assert_eq!(remembered(&mut memo, &mut key, input), whole, "{}", input.escape_ascii());
    }
}

/// A response's head is read the same in one piece or many, and has no byte that another parser
/// could take for something else.
pub(crate) fn response_head(input: &[u8]) {
    for method in [Method::GET, Method::HEAD, Method::CONNECT] {
        let _ = check_pieces(input, |head, shape| {
            let response = parse_response(head, shape, &method)?;
            check_fields(&response.headers, input);
            Ok(format!("{response:?}"))
        });
    }
}

/// A chunked body is decoded the same however it comes, and encoding it gives it back.
pub(crate) fn chunked_body(input: &[u8]) {
    let whole = decode(input, input.len());
    for piece in [1, 2, 7] {
        assert_eq!(decode(input, piece), whole, "{piece}: {}", input.escape_ascii());
    }
    let Ok(Some((body, _, len))) = whole else { return };
    assert!(body.len() + LAST_CHUNK.len() <= len && len <= input.len());
    let mut coded = Vec::new();
    for chunk in body.chunks(100) {
        coded.extend_from_slice(chunk_head(chunk.len() as u64).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(CHUNK_END);
    }
    coded.extend_from_slice(LAST_CHUNK);
    let len = coded.len();
    assert_eq!(decode(&coded, len), Ok(Some((body, String::new(), len))));
}

/// Reads a head in one piece, and gives what it is. Pieces may be refused earlier, and for another
/// reason, but what is taken whole is taken in pieces, and what is refused is refused.
fn check_pieces(
    input: &[u8],
    parse: impl Fn(&Bytes, &HeadShape) -> Result<String, Reject>,
) -> Read {
    let read = |piece| {
        let Some(shape) = find(input, piece)? else { return Ok(None) };
        let head = Bytes::copy_from_slice(&input[..shape.len]);
        Ok(Some((parse(&head, &shape)?, shape.len)))
    };
    let whole = read(input.len());
    for piece in [1, 3, 17] {
        let found = read(piece);
        let is_same = found == whole || (found.is_err() && !matches!(whole, Ok(Some(_))));
        assert!(is_same, "{piece}: {found:?} {whole:?} {}", input.escape_ascii());
    }
    whole
}

/// Looks for the end of a head of which `piece` bytes come at a time.
fn find(input: &[u8], piece: usize) -> Result<Option<HeadShape>, Reject> {
    let mut scan = HeadScan::default();
    let mut held = 0;
    while held < input.len() {
        held = (held + piece).min(input.len());
        if let Some(shape) = scan.find_end(&input[..held], &LIMITS)? {
            return Ok(Some(shape));
        }
    }
    Ok(None)
}

fn read_request(head: &Bytes, shape: &HeadShape) -> Result<String, Reject> {
    let mut request = Request::new(());
    let facts = parse_request(head, shape, &LIMITS, &mut request)?;
    check_fields(request.headers(), head);
    check_with_httparse(&request, head);
    Ok(format!("{request:?} {facts:?}"))
}

/// Reads a request's head as a connection does.
fn remembered(memo: &mut HeadMemo, key: &mut HeadKey, input: &[u8]) -> Read {
    let mut request = Request::new(());
    if let Some(recalled) = memo.recall(*key, input, &LIMITS, &mut request) {
        let recalled = recalled?;
        *key = recalled.key;
        return Ok(Some((format!("{request:?} {:?}", recalled.facts), recalled.len)));
    }
    let Some(shape) = find(input, input.len())? else { return Ok(None) };
    let head = Bytes::copy_from_slice(&input[..shape.len]);
    let (next, facts) = memo.read(&head, &shape, &LIMITS, &mut request)?;
    *key = next;
    Ok(Some((format!("{request:?} {facts:?}"), shape.len)))
}

fn check_fields(headers: &HeaderMap, input: &[u8]) {
    for (name, value) in headers {
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let is_value = |b: &u8| *b >= b' ' && *b != 0x7f || *b == b'\t';
        assert!(name.as_str().as_bytes().iter().all(is_name), "{}", input.escape_ascii());
        assert!(value.as_bytes().iter().all(is_value), "{}", input.escape_ascii());
        assert_eq!(value.as_bytes(), value.as_bytes().trim_ascii(), "{}", input.escape_ascii());
    }
}

/// A second opinion: what is taken here is taken there, and has the same fields.
fn check_with_httparse(request: &Request<()>, input: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; LIMITS.max_fields];
    let mut theirs = httparse::Request::new(&mut fields);
    match theirs.parse(input) {
        // It knows no HTTP/1.2 to 1.9, which RFC 9110 2.5 has us take.
        Err(httparse::Error::Version) => return,
        parsed => {
            let is_whole = matches!(parsed, Ok(status) if status.is_complete());
            assert!(is_whole, "{parsed:?}: {}", input.escape_ascii());
        }
    }
    assert_eq!(theirs.method, Some(request.method().as_str()), "{}", input.escape_ascii());
    assert_eq!(theirs.headers.len(), request.headers().len(), "{}", input.escape_ascii());
    for field in theirs.headers {
        let mut ours = request.headers().get_all(field.name).into_iter();
        assert!(ours.any(|value| value.as_bytes() == field.value), "{}", input.escape_ascii());
    }
}

/// A body, its trailers in words, and how many bytes it came in.
type Decoded = Option<(Vec<u8>, String, usize)>;

/// Decodes a body of which `piece` bytes come at a time.
fn decode(coded: &[u8], piece: usize) -> Result<Decoded, Reject> {
    let mut decoder = ChunkedDecoder::new(&LIMITS);
    let (mut from, mut to, mut body) = (0, 0, Vec::new());
    loop {
        match decoder.decode(&coded[from..to])? {
            Step::More { skip, beyond } => {
                from += skip;
                assert_eq!(to - from, beyond, "it asks for more than is held");
                if to == coded.len() {
                    return Ok(None);
                }
                to = (to + piece).min(coded.len());
            }
            Step::Data { skip, len } => {
                assert!(len > 0 && from + skip + len <= to);
                body.extend_from_slice(&coded[from + skip..from + skip + len]);
                from += skip + len;
            }
            Step::End { skip, trailers } => {
                let trailers = trailers.map(|trailers| {
                    check_fields(&trailers, coded);
                    format!("{trailers:?}")
                });
                return Ok(Some((body, trailers.unwrap_or_default(), from + skip)));
            }
        }
    }
}

/// Runs each property on samples that were changed at random: the same bytes in every run.
#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: usize = 20_000;

    const REQUESTS: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a/b?c=d HTTP/1.1\r\nhost: a:80\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "PUT http://b/c HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nX-Y: z\r\n\r\n",
        "\r\nOPTIONS * HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\nmore",
        "CONNECT a:443 HTTP/1.1\r\nHost: [::1]:443\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ];

    const RESPONSES: &[&str] = &[
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 304 Not Modified\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nEtag: \"a\"\r\n\r\n",
        "HTTP/1.1 100\r\n\r\nHTTP/1.1 204 \r\nSet-Cookie: a=b\r\nset-cookie: c\r\n\r\n",
        "HTTP/1.1 500 \u{e9}\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n",
    ];

    const CHUNKED: &[&str] = &[
        "5\r\nhello\r\n0\r\n\r\n",
        "a;b=\"c\"\r\n0123456789\r\n00\r\nx: y\r\nz:\r\n\r\nGET /",
        "1\r\na\r\n2\r\n\r\n\r\n0;x\r\n\r\n",
    ];

    /// What a parser may take for something else than it is.
    const PARTS: &[&[u8]] = &[
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"\x7f",
        b"\xff",
        b",",
        b";",
        b"0",
        b"9",
        b"HTTP/1.1",
        b"GET ",
        b"/",
        b"http://",
        b"Host: b\r\n",
        b"x: y\r\n",
        b"Content-Length: 7\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n ",
        b" :",
    ];

    /// A generator of numbers that are random enough (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit.max(1) as u64) as usize
        }

        fn change(&mut self, bytes: &mut Vec<u8>, samples: &[&str]) {
            let (at, end) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let (at, end) = (at.min(end), at.max(end));
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.drain(at..end.min(at + 8))),
                3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                4 => {
                    let other = samples[self.below(samples.len())].as_bytes();
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len())..]);
                }
                _ => {
                    let part = PARTS[self.below(PARTS.len())];
                    bytes.splice(at..at, part.iter().copied());
                }
            }
        }
    }

    fn hold_for_changed(samples: &[&str], property: fn(&[u8])) {
        samples.iter().for_each(|sample| property(sample.as_bytes()));
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..ROUNDS {
            let mut bytes = samples[numbers.below(samples.len())].as_bytes().to_vec();
            for _ in 0..=numbers.below(4) {
                numbers.change(&mut bytes, samples);
            }
            property(&bytes);
        }
    }

    #[test]
    fn request_heads_are_read_in_one_way() {
        hold_for_changed(REQUESTS, request_head);
    }

    #[test]
    fn response_heads_are_read_in_one_way() {
        hold_for_changed(RESPONSES, response_head);
    }

    #[test]
    fn chunked_bodies_are_read_in_one_way() {
        hold_for_changed(CHUNKED, chunked_body);
    }
}
