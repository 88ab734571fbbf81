//! The field lines of a head, or of trailers, into a `HeaderMap`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::names::{self, Meaning};
use super::reject::Reject;
use super::scan;

/// What the field lines say about the connection and the body, found while they are read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Where the value of `Host` is in the head.
    pub(super) host: Option<(usize, usize)>,
    pub(super) has_host_again: bool,
    pub(super) content_length: Option<u64>,
    pub(super) coding: Coding,
    pub(super) connection: Tokens,
    pub(super) expect: Expect,
    pub(super) has_upgrade: bool,
}

/// What `Transfer-Encoding` says, all its lines together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// There is none.
    #[default]
    Absent,
    /// Exactly `chunked`.
    Chunked,
    /// Others, and then `chunked`.
    OthersThenChunked,
    /// Others, or others after `chunked`, or an empty list, or a list with holes.
    Wrong,
}

/// Options of `Connection` (RFC 9110 section 7.6.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
}

/// What `Expect` says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    #[default]
    Nothing,
    Continue,
    Other,
}

/// Reads field lines from `at` to the blank line at the end of `head`. `count` is how many there
/// are, to make room for.
pub(super) fn parse(
    head: &Bytes,
    mut at: usize,
    count: usize,
) -> Result<(HeaderMap, Facts), Reject> {
    let mut headers = HeaderMap::with_capacity(count);
    let mut facts = Facts::default();
    loop {
        let block = scan::block(head, at);
        match block[0] {
            b'\r' if block[1] == b'\n' && at + 2 == head.len() => return Ok((headers, facts)),
            // RFC 9112 5.2: a server must reject obs-fold or replace it; it is rejected here.
            b' ' | b'\t' => return Err(Reject::Fold),
            _ => {}
        }
        let (name, meaning, colon) = parse_name(head, at, &block)?;
        let value = value_range(head, colon + 1)?;
        let next = value.next;
        if meaning != Meaning::Other {
            facts.note(meaning, head, value.start, value.end)?;
        }
        let value = HeaderValue::from_maybe_shared(head.slice(value.start..value.end))
            .map_err(|_| Reject::FieldValue)?;
        headers.try_append(name, value).map_err(|_| Reject::TooManyFields)?;
        at = next;
    }
}

/// The name of the line at `at`, whose first bytes are `block`, and where its colon is.
#[inline]
fn parse_name(
    head: &Bytes,
    at: usize,
    block: &[u8; 16],
) -> Result<(HeaderName, Meaning, usize), Reject> {
    let short = scan::first_in(block, b':');
    let len = if short < 16 {
        short
    } else {
        let rest = head.get(at + 16..).unwrap_or_default();
        16 + scan::find(rest, b':').ok_or(Reject::FieldName)?
    };
    let known = match len {
        0 => return Err(Reject::FieldName),
        1..=16 => names::well_known(block, len),
        _ => names::well_known_long(&head[at..at + len]),
    };
    if let Some((name, meaning)) = known {
        return Ok((name, meaning, at + len));
    }
    // Refuses every byte that is not of a token (RFC 9110 5.6.2): also the white space before a
    // colon (RFC 9112 5.1), and the end of a line that has no colon.
    let name = HeaderName::from_bytes(&head[at..at + len]).map_err(|_| Reject::FieldName)?;
    Ok((name, Meaning::Other, at + len))
}

struct ValueRange {
    start: usize,
    end: usize,
    /// Where the next line begins.
    next: usize,
}

/// The value that begins at `start`, without the white space around it (RFC 9112 section 5.1).
#[inline]
fn value_range(head: &Bytes, mut start: usize) -> Result<ValueRange, Reject> {
    while let Some(b' ' | b'\t') = head.get(start) {
        start += 1;
    }
    let rest = &head[start..];
    let cr = scan::find(rest, b'\r').ok_or(Reject::LineEnd)?;
    if rest.get(cr + 1) != Some(&b'\n') {
        return Err(Reject::LineEnd);
    }
    let mut end = start + cr;
    while end > start && matches!(head[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    Ok(ValueRange { start, end, next: start + cr + 2 })
}

impl Facts {
    fn note(
        &mut self,
        meaning: Meaning,
        head: &Bytes,
        start: usize,
        end: usize,
    ) -> Result<(), Reject> {
        let value = &head[start..end];
        match meaning {
            Meaning::Host => self.has_host_again |= self.host.replace((start, end)).is_some(),
            Meaning::Connection => self.connection.read(value),
            Meaning::ContentLength => {
                let length = content_length(value)?;
                if self.content_length.replace(length).is_some() {
                    return Err(Reject::ContentLengthRepeated);
                }
            }
            Meaning::TransferEncoding => self.coding = self.coding.and(value),
            Meaning::Expect => {
                let is_continue = value.eq_ignore_ascii_case(b"100-continue");
                self.expect = if is_continue && self.expect != Expect::Other {
                    Expect::Continue
                } else {
                    Expect::Other
                };
            }
            Meaning::Upgrade => self.has_upgrade = true,
            Meaning::Other => {}
        }
        Ok(())
    }
}

/// A length in decimal digits and nothing else: no sign, no list, no white space inside.
pub(super) fn content_length(value: &[u8]) -> Result<u64, Reject> {
    // RFC 9112 6.3 lets a recipient accept a list of the same number; nobody honest sends one.
    let wrong = || match value.contains(&b',') {
        true => Reject::ContentLengthRepeated,
        false => Reject::ContentLength,
    };
    if value.is_empty() {
        return Err(wrong());
    }
    value.iter().try_fold(0u64, |length, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0')).ok_or_else(wrong)?;
        length.checked_mul(10).and_then(|length| length.checked_add(digit)).ok_or_else(wrong)
    })
}

impl Coding {
    /// This and one more line of the same field.
    fn and(self, value: &[u8]) -> Self {
        value.split(|&b| b == b',').fold(self, |coding, item| {
            let is_chunked = item.trim_ascii().eq_ignore_ascii_case(b"chunked");
            match coding {
                _ if item.trim_ascii().is_empty() => Self::Wrong,
                Self::Absent if is_chunked => Self::Chunked,
                Self::Absent => Self::Wrong,
                Self::Wrong if is_chunked => Self::OthersThenChunked,
                // RFC 9112 6.1: chunked must not be applied more than once.
                _ => Self::Wrong,
            }
        })
    }
}

impl Tokens {
    fn read(&mut self, value: &[u8]) {
        for token in value.split(|&b| b == b',') {
            match token.trim_ascii() {
                token if token.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
                token if token.eq_ignore_ascii_case(b"close") => self.close = true,
                token if token.eq_ignore_ascii_case(b"upgrade") => self.upgrade = true,
                _ => {}
            }
        }
    }
}
