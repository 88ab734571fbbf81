//! Heads, chunks and trailers into bytes.
//!
//! Each encoder says its length first and then fills exactly so many bytes, which the caller asks
//! the connection for: nothing is built elsewhere and copied over.

use http::{HeaderMap, Method, StatusCode};

use super::fields::content_length;
use super::trailers;

/// The answer to an expectation (RFC 9110 section 15.2.1).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What ends a chunk's data.
pub(crate) const CHUNK_END: &[u8] = b"\r\n";

/// The last chunk, without trailers.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What a head says about its body. It is the connection that decides; an application's own
/// `Content-Length` and `Transfer-Encoding` are never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Nothing: there is no body, or it ends with the connection.
    Unsaid,
    /// `content-length` of so many bytes.
    Length(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
}

/// What a head says about the connection. An application's own `Connection` is never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Nothing: it goes on, as is the rule in HTTP/1.1.
    Unsaid,
    /// `connection: close`.
    Close,
    /// `connection: keep-alive`, for a client of HTTP/1.0.
    KeepAlive,
}

/// What an application's own fields say about what the connection decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OwnFields {
    /// Its `Content-Length`, if it is one number.
    pub(crate) content_length: Option<u64>,
    /// It asks to close the connection.
    pub(crate) close: bool,
    /// It has a `Date`.
    pub(crate) has_date: bool,
    /// Some of its fields are not sent.
    is_held_back: bool,
    /// Its fields that are sent, as they are written, in bytes.
    len: usize,
}

impl OwnFields {
    /// Looks through `headers` once.
    #[inline]
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut own = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "content-length" => {
                    own.is_held_back = true;
                    own.content_length = content_length(value.as_bytes()).ok();
                }
                "connection" => {
                    own.is_held_back = true;
                    let mut tokens = value.as_bytes().split(|&b| b == b',');
                    own.close |= tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(b"close"));
                }
                "transfer-encoding" => own.is_held_back = true,
                name => {
                    own.has_date |= name == "date";
                    own.len += name.len() + value.len() + 4;
                }
            }
        }
        own
    }
}

/// True for the fields that the connection says itself.
fn is_of_connection(name: &str) -> bool {
    matches!(name, "connection" | "content-length" | "transfer-encoding")
}

/// The `date` field's line, with its line end.
pub(crate) type DateLine = [u8; 37];

/// The start of a response's head: what depends neither on its body nor on the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start<'a> {
    /// As it was written before.
    Known(&'a [u8]),
    /// Status line, fields and date; `own` is of these fields.
    New { status: StatusCode, headers: &'a HeaderMap, own: OwnFields, date: &'a [u8] },
}

impl<'a> Start<'a> {
    /// A start that is not known; `own` is of `headers`.
    #[inline]
    pub(crate) fn new(
        status: StatusCode,
        headers: &'a HeaderMap,
        own: OwnFields,
        date: &'a DateLine,
    ) -> Self {
        // RFC 9110 6.6.1: an application may say itself when its answer was made.
        let date = if own.has_date { &[][..] } else { date };
        Self::New { status, headers, own, date }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        match self {
            Self::Known(text) => text.len(),
            Self::New { status, own, date, .. } => {
                let mut count = Count(own.len + date.len());
                write_status_line(*status, &mut count);
                count.0
            }
        }
    }

    #[inline(always)]
    fn fill(&self, fill: &mut Fill<'_>) {
        match self {
            Self::Known(text) => fill.put(text),
            Self::New { status, headers, own, date } => {
                write_status_line(*status, fill);
                for (name, value) in *headers {
                    let name = name.as_str();
                    if !own.is_held_back || !is_of_connection(name) {
                        fill.put_field(name.as_bytes(), value.as_bytes());
                    }
                }
                fill.put(date);
            }
        }
    }
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct ResponseEncoder<'a> {
    start: Start<'a>,
    framing: Framing,
    persistence: Persistence,
}

impl<'a> ResponseEncoder<'a> {
    #[inline]
    pub(crate) fn new(start: Start<'a>, framing: Framing, persistence: Persistence) -> Self {
        Self { start, framing, persistence }
    }

    /// How many bytes [`encode`](Self::encode) fills.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        let mut count = Count(self.start_len());
        self.write_rest(&mut count);
        count.0
    }

    /// How many of them its start has.
    #[inline]
    pub(crate) fn start_len(&self) -> usize {
        self.start.len()
    }

    /// Fills `out`, of exactly [`encoded_len`](Self::encoded_len) bytes.
    #[inline]
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let mut fill = Fill(out);
        self.start.fill(&mut fill);
        self.write_rest(&mut fill);
        debug_assert!(fill.0.is_empty(), "the length was another");
    }

    #[inline(always)]
    fn write_rest(&self, sink: &mut impl Sink) {
        write_framing(self.framing, sink);
        write_persistence(self.persistence, sink);
        sink.put(b"\r\n");
    }
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct RequestEncoder<'a> {
    method: &'a Method,
    target: &'a str,
    host: &'a [u8],
    headers: &'a HeaderMap,
    framing: Framing,
    persistence: Persistence,
}

impl<'a> RequestEncoder<'a> {
    /// `target` in the form that goes with the method (RFC 9112 section 3.2); `host` is what
    /// `Host` says, whatever `headers` have.
    pub(crate) fn new(
        method: &'a Method,
        target: &'a str,
        host: &'a [u8],
        headers: &'a HeaderMap,
        framing: Framing,
        persistence: Persistence,
    ) -> Self {
        Self { method, target, host, headers, framing, persistence }
    }

    /// How many bytes [`encode`](Self::encode) fills.
    #[inline]
    pub(crate) fn encoded_len(&self) -> usize {
        let mut count = Count(0);
        self.write(&mut count);
        count.0
    }

    /// Fills `out`, of exactly [`encoded_len`](Self::encoded_len) bytes.
    #[inline]
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let mut fill = Fill(out);
        self.write(&mut fill);
        debug_assert!(fill.0.is_empty(), "the length was another");
    }

    #[inline]
    fn write(&self, sink: &mut impl Sink) {
        sink.put(self.method.as_str().as_bytes());
        sink.put(b" ");
        sink.put(self.target.as_bytes());
        // RFC 9110 7.2: Host should be the first field.
        sink.put(b" HTTP/1.1\r\nhost: ");
        sink.put(self.host);
        sink.put(b"\r\n");
        for (name, value) in self.headers {
            match name.as_str() {
                "host" | "connection" | "content-length" | "transfer-encoding" => {}
                name => write_field(name.as_bytes(), value.as_bytes(), sink),
            }
        }
        write_framing(self.framing, sink);
        write_persistence(self.persistence, sink);
        sink.put(b"\r\n");
    }
}

/// The first line of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkHead {
    text: [u8; 18],
    start: u8,
}

/// The first line of a chunk with `len` bytes of data, at least one.
#[inline]
pub(crate) fn chunk_head(len: u64) -> ChunkHead {
    debug_assert!(len > 0, "a chunk of no bytes ends the body");
    let mut text = [0; 18];
    text[16..].copy_from_slice(b"\r\n");
    let (mut start, mut left) = (16, len);
    loop {
        start -= 1;
        text[start] = b"0123456789abcdef"[(left % 16) as usize];
        left /= 16;
        if left == 0 {
            return ChunkHead { text, start: start as u8 };
        }
    }
}

impl ChunkHead {
    /// The line with its line end.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[usize::from(self.start)..]
    }
}

/// How many bytes [`encode_last_chunk`] fills.
pub(crate) fn last_chunk_len(trailers: &HeaderMap) -> usize {
    let mut count = Count(0);
    write_last_chunk(trailers, &mut count);
    count.0
}

/// Fills `out`, of exactly [`last_chunk_len`] bytes, with the last chunk and the trailers. Fields
/// that must not be trailers (RFC 9110 section 6.5.1) are left out.
pub(crate) fn encode_last_chunk(trailers: &HeaderMap, out: &mut [u8]) {
    let mut fill = Fill(out);
    write_last_chunk(trailers, &mut fill);
    debug_assert!(fill.0.is_empty(), "the length was another");
}

fn write_last_chunk(trailers: &HeaderMap, sink: &mut impl Sink) {
    sink.put(b"0\r\n");
    for (name, value) in trailers {
        if !trailers::is_forbidden(name) {
            write_field(name.as_str().as_bytes(), value.as_bytes(), sink);
        }
    }
    sink.put(b"\r\n");
}

#[inline]
fn write_status_line(status: StatusCode, sink: &mut impl Sink) {
    // RFC 9112 2.3: a server sends its own version, also to a client of HTTP/1.0.
    if status == StatusCode::OK {
        return sink.put(b"HTTP/1.1 200 OK\r\n");
    }
    sink.put(b"HTTP/1.1 ");
    sink.put(status.as_str().as_bytes());
    // RFC 9112 4: the space is sent even when the reason is absent.
    sink.put(b" ");
    sink.put(status.canonical_reason().unwrap_or_default().as_bytes());
    sink.put(b"\r\n");
}

#[inline]
fn write_field(name: &[u8], value: &[u8], sink: &mut impl Sink) {
    sink.put_field(name, value);
}

#[inline]
fn write_persistence(persistence: Persistence, sink: &mut impl Sink) {
    match persistence {
        Persistence::Unsaid => {}
        Persistence::Close => sink.put(b"connection: close\r\n"),
        Persistence::KeepAlive => sink.put(b"connection: keep-alive\r\n"),
    }
}

#[inline(always)]
fn write_framing(framing: Framing, sink: &mut impl Sink) {
    match framing {
        Framing::Unsaid => {}
        Framing::Length(length) => {
            sink.put(b"content-length: ");
            sink.put_decimal(length);
            sink.put(b"\r\n");
        }
        Framing::Chunked => sink.put(b"transfer-encoding: chunked\r\n"),
    }
}

/// How many digits `number` has.
#[inline]
fn digits(number: u64) -> usize {
    // Most lengths are short, and a comparison costs less than a logarithm.
    match number {
        0..10 => 1,
        10..100 => 2,
        100..1_000 => 3,
        1_000..10_000 => 4,
        _ => number.ilog10() as usize + 1,
    }
}

/// Where an encoder writes: the same code counts and fills, so that they cannot differ.
trait Sink {
    fn put(&mut self, bytes: &[u8]);
    fn put_decimal(&mut self, number: u64);

    /// A field line.
    #[inline(always)]
    fn put_field(&mut self, name: &[u8], value: &[u8]) {
        self.put(name);
        self.put(b": ");
        self.put(value);
        self.put(b"\r\n");
    }
}

struct Count(usize);

impl Sink for Count {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }

    #[inline(always)]
    fn put_decimal(&mut self, number: u64) {
        self.0 += digits(number);
    }
}

/// The part that is still to be filled.
struct Fill<'a>(&'a mut [u8]);

impl<'a> Fill<'a> {
    #[inline(always)]
    fn take(&mut self, n: usize) -> &'a mut [u8] {
        let (now, rest) = std::mem::take(&mut self.0)
            .split_at_mut_checked(n)
            .expect("the caller gives as many bytes as were counted");
        self.0 = rest;
        now
    }
}

impl Sink for Fill<'_> {
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.take(bytes.len()).copy_from_slice(bytes);
    }

    /// One look at the room that is left, for all of the line.
    #[inline(always)]
    fn put_field(&mut self, name: &[u8], value: &[u8]) {
        let line = self.take(name.len() + value.len() + 4);
        let (name_at, rest) = line.split_at_mut(name.len());
        let (colon, rest) = rest.split_at_mut(2);
        let (value_at, end) = rest.split_at_mut(value.len());
        name_at.copy_from_slice(name);
        colon.copy_from_slice(b": ");
        value_at.copy_from_slice(value);
        end.copy_from_slice(b"\r\n");
    }

    #[inline(always)]
    fn put_decimal(&mut self, mut number: u64) {
        for digit in self.take(digits(number)).iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const DATE: &DateLine = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn response(encoder: &ResponseEncoder<'_>) -> String {
        let mut out = vec![0; encoder.encoded_len()];
        encoder.encode(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_response_head_has_the_fields_in_order_and_the_connections_own() {
        let headers = fields(&[
            ("content-type", "text/plain"),
            ("transfer-encoding", "gzip"),
            ("set-cookie", "a"),
            ("content-length", "99"),
            ("connection", "x"),
            ("set-cookie", "b"),
        ]);
        let start = Start::new(StatusCode::OK, &headers, OwnFields::of(&headers), DATE);
        let encoder = ResponseEncoder::new(start, Framing::Length(1234567890), Persistence::Close);
        assert_eq!(
            response(&encoder),
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nset-cookie: a\r\nset-cookie: b\r\n\
             date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             content-length: 1234567890\r\nconnection: close\r\n\r\n"
        );
    }

    #[test]
    fn each_framing_and_status_has_its_text() {
        let none = HeaderMap::new();
        for (status, framing, persistence, text) in [
            (204, Framing::Unsaid, Persistence::Unsaid, "204 No Content\r\n\r\n"),
            (200, Framing::Length(0), Persistence::Unsaid, "200 OK\r\ncontent-length: 0\r\n\r\n"),
            (
                404,
                Framing::Chunked,
                Persistence::KeepAlive,
                "404 Not Found\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n",
            ),
            (299, Framing::Unsaid, Persistence::Unsaid, "299 \r\n\r\n"),
            (
                200,
                Framing::Length(u64::MAX),
                Persistence::Unsaid,
                "200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
            ),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let own = OwnFields::of(&none);
            let start = Start::New { status, headers: &none, own, date: b"" };
            let encoder = ResponseEncoder::new(start, framing, persistence);
            assert_eq!(response(&encoder), format!("HTTP/1.1 {text}"));
        }
    }

    #[test]
    fn a_request_head_begins_with_its_host() {
        let headers = fields(&[("accept", "*/*"), ("host", "other"), ("content-length", "7")]);
        let encoder = RequestEncoder::new(
            &Method::POST,
            "/a?b",
            b"example.org:8080",
            &headers,
            Framing::Chunked,
            Persistence::Unsaid,
        );
        let mut out = vec![0; encoder.encoded_len()];
        encoder.encode(&mut out);
        assert_eq!(
            out.as_slice(),
            b"POST /a?b HTTP/1.1\r\nhost: example.org:8080\r\naccept: */*\r\n\
              transfer-encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn what_the_application_says_of_the_connection_is_found() {
        let own = OwnFields::of(&fields(&[
            ("connection", "x, Close"),
            ("content-length", "12"),
            ("date", "now"),
        ]));
        let expected = OwnFields {
            content_length: Some(12),
            close: true,
            has_date: true,
            is_held_back: true,
            len: 11,
        };
        assert_eq!(own, expected);
        let own = OwnFields::of(&fields(&[("content-length", "x"), ("x-date", "y")]));
        assert_eq!(own, OwnFields { is_held_back: true, len: 11, ..OwnFields::default() });
    }

    #[test]
    fn chunks_and_trailers() {
        for (len, text) in [
            (1, "1\r\n"),
            (15, "f\r\n"),
            (16, "10\r\n"),
            (4096, "1000\r\n"),
            (u64::MAX, "ffffffffffffffff\r\n"),
        ] {
            assert_eq!(chunk_head(len).as_bytes(), text.as_bytes());
        }
        let trailers =
            fields(&[("x-sum", "1"), ("content-length", "5"), ("host", "a"), ("y", "2")]);
        let mut out = vec![0; last_chunk_len(&trailers)];
        encode_last_chunk(&trailers, &mut out);
        assert_eq!(out, b"0\r\nx-sum: 1\r\ny: 2\r\n\r\n");
        assert_eq!(last_chunk_len(&HeaderMap::new()), LAST_CHUNK.len());
    }

    #[test]
    fn what_is_encoded_is_parsed_to_the_same() {
        use super::super::head::{HeadLimits, HeadScan};
        use super::super::{framing, request, response};
        let headers = fields(&[("accept", "*/*"), ("x-a", "1"), ("x-a", "2")]);
        let limits = HeadLimits::default();

        let own = Persistence::Close;
        let encoder =
            RequestEncoder::new(&Method::PUT, "/p", b"a:1", &headers, Framing::Length(3), own);
        let mut out = vec![0; encoder.encoded_len()];
        encoder.encode(&mut out);
        let shape = HeadScan::default().find_end(&out, &limits).expect("good").expect("whole");
        let mut parsed = http::Request::new(());
        let facts = request::parse_request(&out.into(), &shape, &limits, &mut parsed);
        let facts = facts.expect("good");
        assert_eq!((parsed.method(), parsed.uri().path()), (&Method::PUT, "/p"));
        assert_eq!(facts.framing, framing::BodyFraming::Length(3));
        assert!(!facts.keep_alive);
        assert_eq!(parsed.headers().get_all("x-a"), headers.get_all("x-a"));

        let start = Start::new(StatusCode::CREATED, &headers, OwnFields::of(&headers), DATE);
        let encoder = ResponseEncoder::new(start, Framing::Chunked, own);
        let out = self::response(&encoder).into_bytes();
        let shape = HeadScan::default().find_end(&out, &limits).expect("good").expect("whole");
        let parsed = response::parse_response(&out.into(), &shape, &Method::GET).expect("good");
        assert_eq!(parsed.status, StatusCode::CREATED);
        assert_eq!(parsed.framing, framing::ResponseFraming::Chunked);
        assert_eq!(parsed.headers.get_all("x-a"), headers.get_all("x-a"));
    }
}
