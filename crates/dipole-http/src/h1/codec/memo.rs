//! Field sections that came before: a client that repeats itself is not parsed again.
//!
//! From request to request a client changes its request line, and seldom a field. Sections that are
//! the same bytes have the same meaning, so one that is remembered costs a comparison and a copy of
//! its `HeaderMap`. The request line is parsed each time.
//!
//! Nothing but the bytes decides: a key only says where to look, and it is only looked for under
//! the key of what the same connection has sent before, so that no peer can learn by time what
//! another one sends.

use std::mem;

use bytes::Bytes;
use http::{HeaderMap, Request};

use super::fields::{self, Facts, Lines};
use super::head::{HeadLimits, HeadShape, LineEnds};
use super::reject::Reject;
use super::request::{self, RequestFacts};
use super::scan;

/// Longer sections are not remembered, in bytes.
const MAX_SECTION: usize = 2 * 1024;

/// A bounded memory of field sections.
#[derive(Debug)]
pub(crate) struct FieldMemo {
    slots: Box<[Slot]>,
}

/// Which section a connection has sent last; by default none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SectionKey(u64);

#[derive(Debug, Default)]
struct Slot {
    /// The last section here that was not the one that is known. Only what comes twice is kept:
    /// remembering costs as much as reading does.
    missed: SectionKey,
    known: Option<Box<Known>>,
}

#[derive(Debug)]
struct Known {
    key: SectionKey,
    /// From the first field line to the blank line, both included.
    text: Box<[u8]>,
    headers: HeaderMap,
    facts: Facts,
}

impl FieldMemo {
    /// Remembers up to `sections` sections of 2 KiB.
    pub(crate) fn new(sections: usize) -> Self {
        Self { slots: (0..sections).map(|_| Slot::default()).collect() }
    }

    /// Reads the head that `held` begins with into `request`, a new one, when its field section
    /// is the one of `key`; gives its length too. `None`: it has to be scanned and
    /// [`read`](Self::read), for nothing can be said of it yet.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    #[inline]
    pub(crate) fn recall<B>(
        &self,
        key: SectionKey,
        held: &[u8],
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Option<Result<(usize, RequestFacts), Reject>> {
        let known = self.slot(key)?.known.as_ref().filter(|known| known.key == key)?;
        let lf = scan::find(held, b'\n')?;
        let line = held[..lf].strip_suffix(b"\r").filter(|line| !line.is_empty())?;
        let len = lf + 1 + known.text.len();
        if len > limits.max_head_bytes || !held[lf + 1..].starts_with(&known.text) {
            return None;
        }
        Some(known.read(line, limits, request).map(|facts| (len, facts)))
    }

    /// As [`parse_request`](request::parse_request); gives also the key by which the next head's
    /// fields may be recalled.
    pub(crate) fn read<B>(
        &mut self,
        head: &Bytes,
        shape: &HeadShape,
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Result<(SectionKey, RequestFacts), Reject> {
        let line = shape.start_line(head).ok_or(Reject::LineEnd)?;
        let section = head.get(line.end + 2..).unwrap_or_default();
        let key = SectionKey::of(section);
        let Some(slot) = self.slot_mut(key).filter(|_| is_worth_it(section, shape)) else {
            let facts = request::parse_request(head, shape, limits, request)?;
            return Ok((SectionKey::default(), facts));
        };
        if let Some(known) = &slot.known
            && known.key == key
            && *known.text == *section
        {
            return Ok((key, known.read(&head[line], limits, request)?));
        }
        let facts = request::parse_request(head, shape, limits, request)?;
        if mem::replace(&mut slot.missed, key) == key {
            slot.known = Some(Box::new(Known::parse(key, section, shape.fields)?));
        }
        Ok((key, facts))
    }

    fn slot(&self, key: SectionKey) -> Option<&Slot> {
        self.slots.get(self.place(key))
    }

    fn slot_mut(&mut self, key: SectionKey) -> Option<&mut Slot> {
        self.slots.get_mut(self.place(key))
    }

    /// The slot of a key: its share of the numbers, which costs less than a remainder.
    fn place(&self, key: SectionKey) -> usize {
        ((u128::from(key.0) * self.slots.len() as u128) >> 64) as usize
    }
}

/// An upgrade ends its connection's requests: it is not worth the room.
fn is_worth_it(section: &[u8], shape: &HeadShape) -> bool {
    section.len() <= MAX_SECTION && !shape.has_upgrade
}

impl Known {
    /// A section that was read well before; its values are kept apart from the head's memory.
    fn parse(key: SectionKey, section: &[u8], count: usize) -> Result<Self, Reject> {
        let text = Bytes::copy_from_slice(section);
        let mut headers = HeaderMap::with_capacity(count);
        let lines = Lines { start: 0, count, ends: (&LineEnds::default(), 0) };
        let facts = fields::parse(&text, &lines, &mut headers)?;
        request::check_host(&text, &facts)?;
        Ok(Self { key, text: section.into(), headers, facts })
    }

    /// A head with this section after `line`.
    #[inline]
    fn read<B>(
        &self,
        line: &[u8],
        limits: &HeadLimits,
        request: &mut Request<B>,
    ) -> Result<RequestFacts, Reject> {
        let copy = |target| Bytes::copy_from_slice(&line[target]);
        request::parse_line(line, copy, limits, request)?;
        // What was there is an empty map without memory: dropping it would only look for some.
        mem::forget(mem::replace(request.headers_mut(), self.headers.clone()));
        request::settle(request.version(), &self.facts)
    }
}

impl SectionKey {
    /// The key of a section: a hash of its bytes.
    fn of(section: &[u8]) -> Self {
        let (blocks, rest) = section.as_chunks::<16>();
        let hash = blocks.iter().fold(section.len() as u64, mix);
        Self(mix(hash, &scan::block(rest, 0)))
    }
}

/// The hash of what `hash` is of, and of 16 bytes more.
#[inline]
fn mix(hash: u64, block: &[u8; 16]) -> u64 {
    const ODD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];
    let (words, _) = block.as_chunks::<8>();
    let first = u64::from_le_bytes(words[0]) ^ ODD[0] ^ hash;
    let second = u64::from_le_bytes(words[1]) ^ ODD[1];
    let product = u128::from(first) * u128::from(second);
    product as u64 ^ (product >> 64) as u64
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
    fn read(memo: &mut FieldMemo, key: &mut SectionKey, held: &[u8]) -> Read {
        let mut request = Request::new(());
        if let Some(recalled) = memo.recall(*key, held, &LIMITS, &mut request) {
            return Some(recalled.map(|(len, facts)| (request.into_parts().0, len, facts)));
        }
        let shape = HeadScan::default().find_end(held, &LIMITS).transpose()?;
        Some(shape.and_then(|shape| {
            let head = Bytes::copy_from_slice(&held[..shape.len]);
            let (next, facts) = memo.read(&head, &shape, &LIMITS, &mut request)?;
            *key = next;
            Ok((request.into_parts().0, shape.len, facts))
        }))
    }

    fn key_of(section: &str) -> SectionKey {
        SectionKey::of(section.as_bytes())
    }

    /// A memory of all sections that can be remembered.
    fn full(slots: usize) -> FieldMemo {
        let mut memo = FieldMemo::new(slots);
        for section in SECTIONS {
            for _ in 0..2 {
                let held = format!("GET / HTTP/1.0\r\n{section}");
                read(&mut memo, &mut SectionKey::default(), held.as_bytes());
            }
        }
        memo
    }

    fn is_known(memo: &FieldMemo, section: &str) -> bool {
        let known = memo.slot(key_of(section)).and_then(|slot| slot.known.as_ref());
        known.is_some_and(|known| *known.text == *section.as_bytes())
    }

    #[test]
    fn a_head_is_read_the_same_with_and_without_memory() {
        let mut memo = full(1024);
        assert!(SECTIONS.iter().filter(|section| is_known(&memo, section)).count() > 5);
        for line in LINES {
            for section in SECTIONS {
                let held = format!("{line}\r\n{section}next bytes");
                for end in 0..=held.len() {
                    let held = &held.as_bytes()[..end];
                    let none = &mut FieldMemo::new(0);
                    let expected = read(none, &mut SectionKey::default(), held);
                    // Recalled by its connection; then known to others, but not to this one.
                    for mut key in [key_of(section), SectionKey::default()] {
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
        let mut memo = FieldMemo::new(4);
        let mut key = SectionKey::default();
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

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memo = FieldMemo::new(4);
        for number in 0..100 {
            for _ in 0..2 {
                let held = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {number}\r\n\r\n");
                read(&mut memo, &mut SectionKey::default(), held.as_bytes());
            }
        }
        assert_eq!(memo.slots.iter().filter(|slot| slot.known.is_some()).count(), 4);
        let long = format!("host: a\r\nx: {}\r\n\r\n", "y".repeat(MAX_SECTION));
        let mut memo = FieldMemo::new(4);
        for _ in 0..3 {
            let held = format!("GET / HTTP/1.1\r\n{long}");
            let mut key = SectionKey::default();
            assert!(matches!(read(&mut memo, &mut key, held.as_bytes()), Some(Ok(_))));
            assert_eq!(key, SectionKey::default());
        }
        assert!(memo.slots.iter().all(|slot| slot.known.is_none()));
    }

    #[test]
    fn values_that_are_recalled_do_not_hold_the_connections_buffer() {
        let memo = full(1024);
        let held = format!("GET /path HTTP/1.1\r\n{}", SECTIONS[3]);
        let mut request = Request::new(());
        let recalled = memo.recall(key_of(SECTIONS[3]), held.as_bytes(), &LIMITS, &mut request);
        assert!(matches!(recalled, Some(Ok(_))));
        let buffer = held.as_bytes().as_ptr_range();
        assert!(
            request.headers().values().all(|value| !buffer.contains(&value.as_bytes().as_ptr()))
        );
        assert!(!buffer.contains(&request.uri().path().as_ptr()));
    }
}
