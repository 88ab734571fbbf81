//! What `ServeDir` leaves open of range requests (RFC 9110 sections 13.1.5 and 14.2).

use http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// A part of a file, as one range asks for it (RFC 9110 section 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Between these offsets in bytes, both of them included; to the end without `last`.
    From { first: u64, last: Option<u64> },
    /// So many bytes at the end, or all where there are less.
    Last(u64),
}

/// Takes the `range` out of a request. `None` where it is to be answered with all: without a range or
/// with several, with an unknown unit, or with another method than GET.
pub(super) fn take_part(method: &Method, headers: &mut HeaderMap) -> Option<Part> {
    let several = headers.get_all(RANGE).iter().nth(1).is_some();
    let value = headers.remove(RANGE)?;
    if several || method != Method::GET {
        return None;
    }
    Part::of(value.to_str().ok()?)
}

impl Part {
    /// The one part that `bytes=...` names.
    fn of(value: &str) -> Option<Self> {
        let (unit, ranges) = value.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        // RFC 9110 5.6.1.2: empty elements of a list count for nothing.
        let mut ranges = ranges.split(',').map(|range| range.trim_matches([' ', '\t']));
        let range = ranges.find(|range| !range.is_empty())?;
        if ranges.any(|range| !range.is_empty()) {
            return None;
        }
        match range.split_once('-')? {
            ("", length) => Some(Self::Last(number(length)?)),
            (first, "") => Some(Self::From { first: number(first)?, last: None }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From { first, last: Some(last) })
            }
        }
    }

    /// As `ServeDir` reads it.
    pub(super) fn field(self) -> HeaderValue {
        let text = match self {
            Self::From { first, last: None | Some(u64::MAX) } => format!("bytes={first}-"),
            Self::From { first, last: Some(last) } => format!("bytes={first}-{last}"),
            Self::Last(length) => format!("bytes=-{length}"),
        };
        HeaderValue::try_from(text).expect("digits and a dash may be in a field")
    }

    /// What to ask for in place of this part, where `ServeDir` has answered it wrongly: it refuses an
    /// end that is longer than the file, and finds a first byte in an empty one.
    pub(super) fn instead<B>(self, answer: &Response<B>) -> Option<Self> {
        let of = answer.headers().get(CONTENT_RANGE)?.to_str().ok()?;
        let is_empty = of.ends_with("/0");
        match (self, answer.status()) {
            (Self::Last(1..), StatusCode::RANGE_NOT_SATISFIABLE) if !is_empty => {
                Some(Self::From { first: 0, last: None })
            }
            (Self::From { .. }, StatusCode::PARTIAL_CONTENT) if is_empty => {
                Some(Self::From { first: 1, last: None })
            }
            _ => None,
        }
    }
}

/// A number of digits alone; one that no file reaches is as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

/// False when the request's `if-range` names another version than the answer's headers do, so that
/// the part it asks for would not fit to what its sender has.
pub(super) fn if_range_holds(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(wanted) = request.get(IF_RANGE) else {
        return true;
    };
    // RFC 9110 13.1.5: an entity tag is compared strongly, a date has to be the very same.
    let validator = if wanted.as_bytes().ends_with(b"\"") { ETAG } else { LAST_MODIFIED };
    answer
        .get(validator)
        .is_some_and(|current| current == wanted && !wanted.as_bytes().starts_with(b"W/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_well_formed_byte_ranges_are_ranges() {
        let from = |first, last| Some(Part::From { first, last });
        for (range, part) in [
            ("bytes=0-5", from(0, Some(5))),
            ("bytes=5-", from(5, None)),
            ("bytes=-5", Some(Part::Last(5))),
            ("BYTES=0-0", from(0, Some(0))),
            ("bytes=, 0-5 ,", from(0, Some(5))),
            ("bytes=0-18446744073709551616", from(0, Some(u64::MAX))),
            ("bytes=-18446744073709551616", Some(Part::Last(u64::MAX))),
        ] {
            assert_eq!(Part::of(range), part, "{range}");
        }
        for other in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=5-1",
            "bytes=0-1, 3-4",
            "bytes = 0-5",
            "items=0-5",
            "bytes=a-b",
            "bytes=--5",
            "bytes=+1-5",
        ] {
            assert_eq!(Part::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_range_of_a_head_request_is_ignored() {
        let mut fields = headers(&[(RANGE, "bytes=0-5")]);
        assert_eq!(take_part(&Method::HEAD, &mut fields.clone()), None);
        let part = Part::From { first: 0, last: Some(5) };
        assert_eq!(take_part(&Method::GET, &mut fields), Some(part));
        assert_eq!(fields.len(), 0);
    }

    #[test]
    fn if_range_is_the_same_version_or_none() {
        let date = "Sat, 21 Mar 2026 10:03:04 GMT";
        let answer = headers(&[(ETAG, "\"1\""), (LAST_MODIFIED, date)]);
        let holds = |value| if_range_holds(&headers(&[(IF_RANGE, value)]), &answer);
        assert!(holds("\"1\""));
        assert!(holds(date));
        assert!(!holds("\"2\""));
        assert!(!holds("W/\"1\""));
        assert!(!holds("Sat, 21 Mar 2026 10:03:05 GMT"));
        assert!(if_range_holds(&HeaderMap::new(), &answer));
    }
}
