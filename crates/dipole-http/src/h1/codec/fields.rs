//! The field lines of a head, or of trailers, into a `HeaderMap`.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::head::LineEnds;
use super::names::{self, Meaning};
use super::reject::Reject;
use super::scan;

/// What the field lines say about the connection and the body, found while they are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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

/// Where field lines are in a head, or in trailers.
pub(super) struct Lines<'a> {
    /// Where the first one begins.
    pub(super) start: usize,
    /// How many there are.
    pub(super) count: usize,
    /// Where lines end, and how many lines are before the first field line.
    pub(super) ends: (&'a LineEnds, usize),
}

/// Reads field lines, up to the blank line at the end of `head`, into `headers`, which has room
/// for them.
#[inline(never)]
pub(super) fn parse(
    head: &Bytes,
    lines: &Lines<'_>,
    headers: &mut HeaderMap,
) -> Result<Facts, Reject> {
    let mut facts = Facts::default();
    let mut at = lines.start;
    for line in 0..lines.count {
        let block = scan::block(head, at);
        // RFC 9112 5.2: a server must reject obs-fold or replace it; it is rejected here.
        if matches!(block[0], b' ' | b'\t') {
            return Err(Reject::Fold);
        }
        let (name, meaning, colon) = parse_name(head, at, &block)?;
        let cr = lines.ends.0.cr_of(lines.ends.1 + line, head, colon).ok_or(Reject::LineEnd)?;
        let (start, end) = trimmed(head, colon + 1, cr)?;
        if meaning != Meaning::Other {
            facts.note(meaning, head, start, end)?;
        }
        let value = parse_value(head, start, end)?;
        headers.try_append(name, value).map_err(|_| Reject::TooManyFields)?;
        at = cr + 2;
    }
    // What is left is the blank line. Anything else would mean that the lines were counted in
    // another way than they were read.
    if head.get(at..) == Some(b"\r\n") { Ok(facts) } else { Err(Reject::LineEnd) }
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

/// The value from `start` to the line's end, without the white space around it (RFC 9112
/// section 5.1).
#[inline]
fn trimmed(head: &[u8], mut start: usize, cr: usize) -> Result<(usize, usize), Reject> {
    let mut value = head.get(start..cr).ok_or(Reject::FieldName)?;
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
        start += 1;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    Ok((start, start + value.len()))
}

#[inline]
fn parse_value(head: &Bytes, start: usize, end: usize) -> Result<HeaderValue, Reject> {
    // What nearly every client sends needs neither a look at its bytes nor a handle of the head.
    match &head[start..end] {
        b"*/*" => Ok(const { HeaderValue::from_static("*/*") }),
        b"keep-alive" => Ok(const { HeaderValue::from_static("keep-alive") }),
        _ => HeaderValue::from_maybe_shared(head.slice(start..end)).map_err(|_| Reject::FieldValue),
    }
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
        if value == b"keep-alive" {
            self.keep_alive = true;
            return;
        }
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
