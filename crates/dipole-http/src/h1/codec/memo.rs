//! Heads that came before: a client that repeats itself is not parsed again.
//!
//! From request to request a client changes its request line, and seldom a field. Sections that are
//! the same bytes have the same meaning, so one that is remembered costs a comparison and a copy of
//! its `HeaderMap`. A request line that repeats with its section costs no more than its bytes in
//! that comparison; any other is parsed.
//!
//! Nothing but the bytes decides: a key only says where to look, and it is only looked for under
//! the key of what the same connection has sent before, so that no peer can learn by time what
//! another one sends.

use std::mem;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, Version};

use super::fields::{self, Facts, Lines};
use super::head::{HeadLimits, HeadShape, LineEnds};
use super::reject::Reject;
use super::request::{self, RequestFacts};
use super::scan::{self, hash};

/// What is remembered as one text: longer sections are not, in bytes.
const MAX_TEXT: usize = 2 * 1024;

/// A bounded memory of field sections, each with its last request line.
#[derive(Debug)]
pub(crate) struct HeadMemo {
    slots: Box<[Slot]>,
}

/// Which head a connection has sent last; by default none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeadKey {
    section: u32,
    line: u32,
}

/// A head that was found in memory.
#[derive(Debug)]
pub(crate) struct Recalled {
    pub(crate) key: HeadKey,
    /// In bytes.
    pub(crate) len: usize,
    pub(crate) facts: RequestFacts,
}

#[derive(Debug, Default)]
struct Slot {
    /// The last section here that was not the one that is known. Only what comes twice is kept:
    /// remembering costs as much as reading does.
    missed: u32,
    known: Option<Box<Known>>,
}

#[derive(Debug)]
struct Known {
    key: u32,
    /// From the first field line to the blank line, both included. Before it, and in one piece with
    /// it, the request line that is known, with its line end.
    text: Box<[u8]>,
    headers: HeaderMap,
    facts: Facts,
    line: Option<KnownLine>,
    /// The last line here that was not the one that is known: as for sections.
    missed_line: u32,
}

/// A request line, and what the head means that begins with it.
#[derive(Debug)]
struct KnownLine {
    key: u32,
    /// With its line end, in bytes.
    len: usize,
    target_len: usize,
    method: Method,
    /// `None` is `/`, as a new request has it.
    uri: Option<Uri>,
    version: Version,
    facts: RequestFacts,
}

impl HeadMemo {
    /// Remembers up to `sections` sections; 2 KiB each, and as much again parsed.
    pub(crate) fn new(sections: usize) -> Self {
        Self { slots: (0..sections).map(|_| Slot::default()).collect() }
    }

    /// Reads the head that `held` begins with into `request`, a new one, when its field section
    /// is the one of `key`. `None`: it has to be scanned and [`read`](Self::read), for nothing can
    /// be said of it yet.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    #[inline]
    pub(crate) fn recall<B>(
        &mut self,
        key: HeadKey,
        held: &[u8],
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Option<Result<Recalled, Reject>> {
        let known = self.slot(key.section)?.known.as_mut()?;
        if known.key != key.section {
            return None;
        }
        if let Some(line) = &known.line
            && line.key == key.line
            && held.starts_with(&known.text)
            && known.text.len() <= limits.max_head_bytes
            && line.target_len <= limits.max_target_bytes
        {
            line.put(request);
            put_headers(&known.headers, request);
            return Some(Ok(Recalled { key, len: known.text.len(), facts: line.facts }));
        }
        known.recall(held, limits, request)
    }

    /// As [`parse_request`](request::parse_request); gives also the key by which the next head may
    /// be recalled.
    pub(crate) fn read<B>(
        &mut self,
        head: &Bytes,
        shape: &HeadShape,
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Result<(HeadKey, RequestFacts), Reject> {
        let line = shape.start_line(head).ok_or(Reject::LineEnd)?;
        let section = head.get(line.end + 2..).unwrap_or_default();
        let key = hash(section);
        let Some(slot) = self.slot(key).filter(|_| is_worth_it(section, shape)) else {
            let facts = request::parse_request(head, shape, limits, request)?;
            return Ok((HeadKey::default(), facts));
        };
        if let Some(known) = &mut slot.known
            && known.key == key
            && *known.section() == *section
        {
            let (line, facts) = known.read(&head[line], limits, request)?;
            return Ok((HeadKey { section: key, line }, facts));
        }
        let facts = request::parse_request(head, shape, limits, request)?;
        if mem::replace(&mut slot.missed, key) == key {
            slot.known = Some(Box::new(Known::parse(key, section, shape.fields)?));
        }
        Ok((HeadKey { section: key, line: hash(&head[line]) }, facts))
    }

    /// The slot of a key: its share of the numbers, which costs less than a remainder.
    fn slot(&mut self, key: u32) -> Option<&mut Slot> {
        let place = (u64::from(key) * self.slots.len() as u64) >> 32;
        self.slots.get_mut(place as usize)
    }
}

/// An upgrade ends its connection's requests: it is not worth the room.
fn is_worth_it(section: &[u8], shape: &HeadShape) -> bool {
    section.len() <= MAX_TEXT && !shape.has_upgrade
}

/// Copies the fields into a new request.
#[inline]
fn put_headers<B>(headers: &HeaderMap, request: &mut Request<B>) {
    // What was there is an empty map without memory: dropping it would only look for some.
    mem::forget(mem::replace(request.headers_mut(), headers.clone()));
}

impl Known {
    /// A section that was read well before; its values are kept apart from the head's memory.
    fn parse(key: u32, section: &[u8], count: usize) -> Result<Self, Reject> {
        let text = Bytes::copy_from_slice(section);
        let mut headers = HeaderMap::with_capacity(count);
        let lines = Lines { start: 0, count, ends: (&LineEnds::default(), 0) };
        let facts = fields::parse(&text, &lines, &mut headers)?;
        request::check_host(&text, &facts)?;
        Ok(Self { key, text: section.into(), headers, facts, line: None, missed_line: 0 })
    }

    fn section(&self) -> &[u8] {
        &self.text[self.line.as_ref().map_or(0, |line| line.len)..]
    }

    /// A head of which only the request line is another than the one that is known.
    fn recall<B>(
        &mut self,
        held: &[u8],
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Option<Result<Recalled, Reject>> {
        let lf = scan::find(held, b'\n')?;
        let line = held[..lf].strip_suffix(b"\r").filter(|line| !line.is_empty())?;
        let section = self.section();
        let len = lf + 1 + section.len();
        if len > limits.max_head_bytes || !held[lf + 1..].starts_with(section) {
            return None;
        }
        Some(self.read(line, limits, request).map(|(line, facts)| {
            let key = HeadKey { section: self.key, line };
            Recalled { key, len, facts }
        }))
    }

    /// A head with this section after `line`; gives the line's key too.
    fn read<B>(
        &mut self,
        line: &[u8],
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Result<(u32, RequestFacts), Reject> {
        let copy = |target| Bytes::copy_from_slice(&line[target]);
        request::parse_line(line, copy, limits, request)?;
        put_headers(&self.headers, request);
        let facts = request::settle(request.version(), &self.facts)?;
        let key = hash(line);
        let is_known = self.line.as_ref().is_some_and(|known| known.key == key);
        if !is_known && mem::replace(&mut self.missed_line, key) == key {
            self.learn(line, key, request, facts);
        }
        Ok((key, facts))
    }

    /// Remembers a request line that was read well.
    #[cold]
    fn learn<B>(&mut self, line: &[u8], key: u32, request: &Request<B>, facts: RequestFacts) {
        let text = [line, b"\r\n", self.section()].concat();
        if text.len() > MAX_TEXT {
            return;
        }
        self.text = text.into();
        let uri = request.uri();
        self.line = Some(KnownLine {
            key,
            len: line.len() + 2,
            target_len: request::target_of(line).len(),
            method: request.method().clone(),
            uri: (uri != "/").then(|| uri.clone()),
            version: request.version(),
            facts,
        });
    }
}

impl KnownLine {
    /// What it says of a new request.
    #[inline(always)]
    fn put<B>(&self, request: &mut Request<B>) {
        if self.method != Method::GET {
            *request.method_mut() = self.method.clone();
        }
        if let Some(uri) = &self.uri {
            *request.uri_mut() = uri.clone();
        }
        *request.version_mut() = self.version;
    }
}

#[cfg(test)]
mod tests {
    use http::request::Parts;

    use super::super::head::HeadScan;
    use super::*;

    const LIMITS: HeadLimits =
        HeadLimits { max_head_bytes: 4096, max_target_bytes: 100, max_fields: 10 };

    const LINES: &[&str] = &[
        "GET / HTTP/1.1",
        "GET / HTTP/1.0",
        "HEAD /a/b?c=d HTTP/1.1",
        "POST http://b:80/c HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "CONNECT b:443 HTTP/1.1",
        "\r\nGET / HTTP/1.1",
        "GET /\n HTTP/1.1",
        "GET /\r HTTP/1.1",
        "GET / HTTP/1.1\r",
        "GET / HTTP/1.1\n",
        "GET  / HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET * HTTP/1.1",
        "G\0T / HTTP/1.1",
        "GET / HTTP/2.0",
        "GET /",
        "x: y",
        "",
    ];

    const SECTIONS: &[&str] = &[
        "host: a\r\n\r\n",
        "\r\n",
        "Host: a\r\nConnection: close\r\n\r\n",
        "Host: a\r\nconnection: Keep-Alive\r\nAccept: */*\r\nx: y\r\nx: z\r\n\r\n",
        "Host: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Host: a\r\nExpect: something\r\n\r\n",
        "Host: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "Host: a\r\nHost: b\r\n\r\n",
        "Host: a b\r\n\r\n",
        "Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "Host: a\r\nx : y\r\n\r\n",
        "Host: a\r\n x\r\n\r\n",
        "Host: a\nx: y\r\n\r\n",
    ];

    type Read = Option<Result<(Parts, usize, RequestFacts), Reject>>;

    /// Reads a head as a connection does that has sent `key` before.
    fn read(memo: &mut HeadMemo, key: &mut HeadKey, held: &[u8]) -> Read {
        let mut request = Request::new(());
        if let Some(recalled) = memo.recall(*key, held, &LIMITS, &mut request) {
            return Some(recalled.map(|Recalled { key: next, len, facts }| {
                *key = next;
                (request.into_parts().0, len, facts)
            }));
        }
        let shape = HeadScan::default().find_end(held, &LIMITS).transpose()?;
        Some(shape.and_then(|shape| {
            let head = Bytes::copy_from_slice(&held[..shape.len]);
            let (next, facts) = memo.read(&head, &shape, &LIMITS, &mut request)?;
            *key = next;
            Ok((request.into_parts().0, shape.len, facts))
        }))
    }

    fn key_of(line: &str, section: &str) -> HeadKey {
        HeadKey { section: hash(section.as_bytes()), line: hash(line.as_bytes()) }
    }

    /// A memory of all sections that can be remembered.
    fn full(slots: usize) -> HeadMemo {
        let mut memo = HeadMemo::new(slots);
        for section in SECTIONS {
            for _ in 0..2 {
                let held = format!("GET / HTTP/1.0\r\n{section}");
                read(&mut memo, &mut HeadKey::default(), held.as_bytes());
            }
        }
        memo
    }

    fn known<'a>(memo: &'a mut HeadMemo, section: &str) -> Option<&'a Known> {
        let known = memo.slot(hash(section.as_bytes()))?.known.as_deref()?;
        (known.section() == section.as_bytes()).then_some(known)
    }

    #[test]
    fn a_head_is_read_the_same_with_and_without_memory() {
        let mut memo = full(1024);
        let known_sections = SECTIONS.iter().filter(|section| known(&mut memo, section).is_some());
        assert!(known_sections.count() > 5);
        for line in LINES {
            for section in SECTIONS {
                let held = format!("{line}\r\n{section}next bytes");
                for end in 0..=held.len() {
                    let held = &held.as_bytes()[..end];
                    let none = &mut HeadMemo::new(0);
                    let expected = read(none, &mut HeadKey::default(), held);
                    // Recalled by its connection; then known to others, but not to this one.
                    let foreign = HeadKey { line: 0, ..key_of(line, section) };
                    for mut key in [key_of(line, section), foreign, HeadKey::default()] {
                        let found = read(&mut memo, &mut key, held);
                        assert_eq!(
                            format!("{found:?}"),
                            format!("{expected:?}"),
                            "{}",
                            held.escape_ascii()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_comes_a_third_time_is_recalled_whatever_its_request_line() {
        let mut memo = HeadMemo::new(4);
        let mut key = HeadKey::default();
        let section = SECTIONS[3];
        for (line, is_recalled) in [
            ("GET /1 HTTP/1.1", false),
            ("GET /2 HTTP/1.1", false),
            ("GET /3 HTTP/1.1", true),
            ("PUT /4 HTTP/1.0", true),
        ] {
            let held = format!("{line}\r\n{section}");
            let mut request = Request::new(());
            let recalled = memo.recall(key, held.as_bytes(), &LIMITS, &mut request);
            assert_eq!(recalled.is_some(), is_recalled, "{line}");
            read(&mut memo, &mut key, held.as_bytes());
        }
        let other = format!("GET / HTTP/1.1\r\n{}", SECTIONS[2]);
        assert!(memo.recall(key, other.as_bytes(), &LIMITS, &mut Request::new(())).is_none());
    }

    /// The line that is known with this section.
    fn known_line(memo: &mut HeadMemo, section: &str) -> Option<String> {
        let known = known(memo, section)?;
        let line = known.line.as_ref()?;
        Some(String::from_utf8_lossy(&known.text[..line.len]).into_owned())
    }

    #[test]
    fn a_request_line_is_remembered_when_it_comes_twice_on_end() {
        let mut memo = full(1024);
        let (mut key, section) = (HeadKey::default(), SECTIONS[3]);
        for (line, known) in [
            ("GET /1 HTTP/1.1", None),
            ("GET /2 HTTP/1.1", None),
            ("GET /1 HTTP/1.1", None),
            ("GET /1 HTTP/1.1", Some("GET /1 HTTP/1.1\r\n")),
            ("GET /2 HTTP/1.1", Some("GET /1 HTTP/1.1\r\n")),
            ("GET /1 HTTP/1.1", Some("GET /1 HTTP/1.1\r\n")),
            ("PUT /a?b HTTP/1.0", Some("GET /1 HTTP/1.1\r\n")),
            ("PUT /a?b HTTP/1.0", Some("PUT /a?b HTTP/1.0\r\n")),
        ] {
            let held = format!("{line}\r\n{section}");
            assert!(matches!(read(&mut memo, &mut key, held.as_bytes()), Some(Ok(_))), "{line}");
            assert_eq!(known_line(&mut memo, section).as_deref(), known, "{line}");
        }
    }

    #[test]
    fn a_request_line_that_is_remembered_is_read_the_same_after_all_others() {
        for section in SECTIONS {
            for known in LINES {
                let mut memo = full(1024);
                let mut key = HeadKey::default();
                for line in LINES.iter().flat_map(|other| [known, known, other, known]) {
                    let held = format!("{line}\r\n{section}next bytes");
                    let none = &mut HeadMemo::new(0);
                    let expected = read(none, &mut HeadKey::default(), held.as_bytes());
                    let found = read(&mut memo, &mut key, held.as_bytes());
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{held:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_that_is_remembered_obeys_the_limits_that_hold_now() {
        let mut memo = full(1024);
        let (mut key, held) = (HeadKey::default(), format!("GET /abc HTTP/1.1\r\n{}", SECTIONS[3]));
        for _ in 0..4 {
            read(&mut memo, &mut key, held.as_bytes());
        }
        assert!(known_line(&mut memo, SECTIONS[3]).is_some());
        let mut recall = |limits: HeadLimits| {
            memo.recall(key, held.as_bytes(), &limits, &mut Request::new(()))
                .map(|recalled| recalled.map(|recalled| recalled.len))
        };
        assert_eq!(recall(LIMITS), Some(Ok(held.len())));
        let narrow = HeadLimits { max_target_bytes: 3, ..LIMITS };
        assert_eq!(recall(narrow), Some(Err(Reject::TargetTooLong)));
        let short = HeadLimits { max_head_bytes: held.len() - 1, ..LIMITS };
        assert_eq!(recall(short), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memo = HeadMemo::new(4);
        for number in 0..100 {
            for _ in 0..2 {
                let held = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {number}\r\n\r\n");
                read(&mut memo, &mut HeadKey::default(), held.as_bytes());
            }
        }
        assert_eq!(memo.slots.iter().filter(|slot| slot.known.is_some()).count(), 4);
        let long = format!("host: a\r\nx: {}\r\n\r\n", "y".repeat(MAX_TEXT));
        let mut memo = HeadMemo::new(4);
        for _ in 0..3 {
            let held = format!("GET / HTTP/1.1\r\n{long}");
            let mut key = HeadKey::default();
            assert!(matches!(read(&mut memo, &mut key, held.as_bytes()), Some(Ok(_))));
            assert_eq!(key, HeadKey::default());
        }
        assert!(memo.slots.iter().all(|slot| slot.known.is_none()));
    }

    #[test]
    fn values_that_are_recalled_do_not_hold_the_connections_buffer() {
        let mut memo = full(1024);
        let held = format!("GET /path HTTP/1.1\r\n{}", SECTIONS[3]);
        let mut key = key_of("GET / HTTP/1.1", SECTIONS[3]);
        for _ in 0..4 {
            let mut request = Request::new(());
            let recalled = memo.recall(key, held.as_bytes(), &LIMITS, &mut request);
            let Some(Ok(recalled)) = recalled else { panic!("{recalled:?}") };
            key = recalled.key;
            let buffer = held.as_bytes().as_ptr_range();
            let mut values = request.headers().values();
            assert!(values.all(|value| !buffer.contains(&value.as_bytes().as_ptr())));
            assert!(!buffer.contains(&request.uri().path().as_ptr()));
        }
        assert!(known(&mut memo, SECTIONS[3]).is_some_and(|known| known.line.is_some()));
    }
}
