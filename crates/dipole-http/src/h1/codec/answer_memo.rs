//! Heads of answers that went before: a service gives most of its heads over and over.
//!
//! What is remembered is a whole head. While status and fields are those of an answer before, its
//! [`Start`](super::encode::Start) is copied from there, and while also what it says of its body and
//! of the connection is the same, all of it; the date in it is the current one all the same.
//!
//! Nothing but these decides: what is cheap to know of them says where to look, and then they are
//! compared. A head that is somebody's own is not kept, so that no peer can learn by time what
//! another one was answered: one with a cookie, or with a value that is marked as sensitive.

use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::encode::{DateLine, Framing, OwnFields, Persistence};
use super::fields::content_length;
use super::scan;

/// Longer heads are not kept, in bytes.
const MAX_TEXT: usize = 1024;

/// A bounded memory of answers' heads.
#[derive(Debug)]
pub(crate) struct AnswerMemo {
    /// A power of two, or none.
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The start of the last head here that was not the one that is kept. Only what comes twice is:
    /// keeping costs more than writing.
    missed: u32,
    kept: Option<Box<Kept>>,
}

#[derive(Debug)]
struct Kept {
    status: StatusCode,
    fields: Box<[(HeaderName, HeaderValue)]>,
    own: OwnFields,
    text: Box<[u8]>,
    start_len: usize,
    end: End,
}

/// What the end of a head says.
type End = (Framing, Persistence);

/// A head whose start was written before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// What its fields say.
    pub(crate) own: OwnFields,
    kept: &'a Kept,
}

impl<'a> Known<'a> {
    /// Status line and fields, and the date unless the service has set one.
    #[inline]
    pub(crate) fn start(&self) -> &'a [u8] {
        &self.kept.text[..self.kept.start_len]
    }

    /// The whole head, if it ends as it did before.
    #[inline]
    pub(crate) fn whole(&self, framing: Framing, persistence: Persistence) -> Option<&'a [u8]> {
        (self.kept.end == (framing, persistence)).then_some(&self.kept.text)
    }
}

impl AnswerMemo {
    /// Remembers up to `heads` heads; 1 KiB each, and about as much again for their fields.
    pub(crate) fn new(heads: usize) -> Self {
        let slots = heads.checked_ilog2().map_or(0, |log| 1 << log);
        Self { slots: (0..slots).map(|_| Slot::default()).collect() }
    }

    /// The head with these, if its start is known.
    #[inline(always)]
    pub(crate) fn find(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        date: &DateLine,
    ) -> Option<Known<'_>> {
        let kept = self.slot(status, headers)?.kept.as_deref_mut()?;
        let own = kept.own_fields_of(status, headers)?;
        if !own.has_date
            && let Some(place) = kept.text[..kept.start_len].last_chunk_mut()
        {
            *place = *date;
        }
        Some(Known { own, kept })
    }

    /// Notes a head that was not known, and keeps it if its start was the last such one, too. `text`
    /// is all of it, and the first `start_len` bytes what [`Known::start`] gives.
    pub(crate) fn note(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        own: OwnFields,
        (text, start_len): (&[u8], usize),
        end: End,
    ) {
        let Some(slot) = self.slot(status, headers).filter(|_| text.len() <= MAX_TEXT) else {
            return;
        };
        let undated = if own.has_date { 0 } else { size_of::<DateLine>() };
        let key = scan::hash(&text[..start_len - undated]);
        if slot.missed == key && !is_somebodys_own(headers) {
            let fields = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
            let (fields, text) = (fields.collect(), text.into());
            slot.kept = Some(Box::new(Kept { status, fields, own, text, start_len, end }));
        }
        slot.missed = key;
    }

    /// Where heads like this one have their place.
    #[inline(always)]
    fn slot(&mut self, status: StatusCode, headers: &HeaderMap) -> Option<&mut Slot> {
        let first = headers.values().next().map_or(0, HeaderValue::len);
        let alike = usize::from(status.as_u16()) + 8 * headers.len() + first;
        self.slots.get_mut(alike & self.slots.len().wrapping_sub(1))
    }
}

fn is_somebodys_own(headers: &HeaderMap) -> bool {
    headers.contains_key(SET_COOKIE) || headers.values().any(HeaderValue::is_sensitive)
}

impl Kept {
    /// What these fields say, if they and the status are those of this start. A length of the body
    /// may be another one: it is no part of it.
    #[inline(always)]
    fn own_fields_of(&self, status: StatusCode, headers: &HeaderMap) -> Option<OwnFields> {
        if self.status != status || self.fields.len() != headers.len() {
            return None;
        }
        let mut own = self.own;
        for ((name, value), (kept_name, kept_value)) in headers.iter().zip(&self.fields) {
            if name != kept_name {
                return None;
            }
            if !are_same(value, kept_value) {
                if name != CONTENT_LENGTH {
                    return None;
                }
                own.content_length = content_length(value.as_bytes()).ok();
            }
        }
        Some(own)
    }
}

/// Are they the same bytes? Values that a program has from itself are at the same place, too.
#[inline]
fn are_same(value: &HeaderValue, other: &HeaderValue) -> bool {
    std::ptr::eq(value.as_bytes(), other.as_bytes()) || value == other
}

#[cfg(test)]
mod tests {
    use super::super::encode::{ResponseEncoder, Start};
    use super::*;

    const DATES: [&DateLine; 2] =
        [b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", b"date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"];

    const FIELDS: &[&[(&str, &str)]] = &[
        &[],
        &[("content-type", "text/plain")],
        &[("content-type", "text/html!")],
        &[("content-typo", "text/plain")],
        &[("content-type", "text/plain"), ("content-length", "5")],
        &[("content-type", "text/plain"), ("content-length", "6")],
        &[("content-type", "text/plain"), ("content-length", "x")],
        &[("content-type", "text/plain"), ("connection", "close")],
        &[("content-type", "text/plain"), ("transfer-encoding", "x")],
        &[("content-type", "text/plain"), ("date", "yesterday")],
        &[("x-a", "1"), ("x-a", "2")],
        &[("x-a", "2"), ("x-a", "1")],
        &[("x-a", "1"), ("x-b", "2")],
        &[("x-b", "2"), ("x-a", "1")],
    ];

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let value = |value| HeaderValue::from_str(value).expect("it is one");
        fields.iter().map(|&(name, text)| (HeaderName::from_static(name), value(text))).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    }

    /// Writes a head as a connection does; says what the fields said, and whether it was known.
    fn write(
        memo: &mut AnswerMemo,
        status: StatusCode,
        headers: &HeaderMap,
        date: &DateLine,
        (framing, persistence): End,
    ) -> (String, OwnFields, bool) {
        let known = memo.find(status, headers, date);
        if let Some(known) = known
            && let Some(whole) = known.whole(framing, persistence)
        {
            return (whole.escape_ascii().to_string(), known.own, true);
        }
        let is_known = known.is_some();
        let own = known.map_or_else(|| OwnFields::of(headers), |known| known.own);
        let start = match known {
            Some(known) => Start::Known(known.start()),
            None => Start::new(status, headers, own, date),
        };
        let head = ResponseEncoder::new(start, framing, persistence);
        let mut out = vec![0; head.encoded_len()];
        head.encode(&mut out);
        let start_len = head.start_len();
        if !is_known {
            memo.note(status, headers, own, (&out, start_len), (framing, persistence));
        }
        (out.escape_ascii().to_string(), own, is_known)
    }

    const SHORT: End = (Framing::Length(3), Persistence::Unsaid);

    #[test]
    fn a_head_is_written_the_same_with_and_without_memory() {
        for slots in [1, 64] {
            let mut memo = AnswerMemo::new(slots);
            let mut known = 0;
            // Heads in turn, and each several times on end.
            for repeats in [1, 6, 1] {
                for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::CREATED] {
                    for fields in FIELDS {
                        for turn in 0..repeats {
                            let (headers, date) = (headers(fields), DATES[turn % 2]);
                            let end = [SHORT, (Framing::Chunked, Persistence::Close)][turn / 2 % 2];
                            let none = &mut AnswerMemo::new(0);
                            let (expected, own, _) = write(none, status, &headers, date, end);
                            let (head, said, is_known) =
                                write(&mut memo, status, &headers, date, end);
                            assert_eq!((head, said), (expected, own), "{fields:?}");
                            known += usize::from(is_known);
                        }
                    }
                }
            }
            assert!(known > FIELDS.len(), "{slots} slots: {known} were known");
        }
    }

    #[test]
    fn a_head_that_comes_a_third_time_is_known_whatever_the_length_of_its_body() {
        let mut memo = AnswerMemo::new(4);
        for (length, is_known) in [("1", false), ("2", false), ("3", true), ("44", true)] {
            let headers = headers(&[("content-type", "a/b"), ("content-length", length)]);
            let written = write(&mut memo, StatusCode::OK, &headers, DATES[0], SHORT);
            assert_eq!(written.2, is_known, "{length}");
            assert_eq!(written.1.content_length, length.parse().ok());
        }
    }

    #[test]
    fn what_is_somebodys_own_is_not_kept_nor_what_is_long() {
        let mut secret = headers(&[("x-secret", "1")]);
        secret.values_mut().for_each(|value| value.set_sensitive(true));
        let long = "x".repeat(MAX_TEXT);
        for headers in [headers(&[("set-cookie", "a=b")]), secret, headers(&[("x-long", &long)])] {
            let mut memo = AnswerMemo::new(4);
            for _ in 0..4 {
                let (_, _, is_known) = write(&mut memo, StatusCode::OK, &headers, DATES[0], SHORT);
                assert!(!is_known, "{headers:?}");
            }
        }
    }
}
