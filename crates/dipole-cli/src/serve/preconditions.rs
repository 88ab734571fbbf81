//! What `ServeDir` leaves open of range requests (RFC 9110 sections 13.1.5 and 14.2).

use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, Method};

/// Takes a `range` out of a request that is to be answered as if it had none: another method than
/// GET, an unknown unit, or no range at all.
pub(super) fn drop_idle_range(method: &Method, headers: &mut HeaderMap) {
    let is_idle = |value: &HeaderValue| !value.to_str().is_ok_and(is_byte_ranges);
    if method != Method::GET
        || headers.get(RANGE).is_some_and(is_idle)
        || headers.get_all(RANGE).iter().nth(1).is_some()
    {
        headers.remove(RANGE);
    }
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

/// True for a well-formed `bytes=...`: a list of `first-last`, `first-` and `-length`.
fn is_byte_ranges(value: &str) -> bool {
    let Some((unit, ranges)) = value.split_once('=') else {
        return false;
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_range = |range: &str| {
        range.trim_matches([' ', '\t']).split_once('-').is_some_and(|(first, last)| {
            is_number(first)
                && is_number(last)
                && match (first.parse::<u64>(), last.parse::<u64>()) {
                    (Ok(first), Ok(last)) => first <= last,
                    (first, last) => first.is_ok() || last.is_ok(),
                }
        })
    };
    unit.trim().eq_ignore_ascii_case("bytes") && ranges.split(',').all(is_range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn only_well_formed_byte_ranges_are_ranges() {
        for range in ["bytes=0-5", "bytes=5-", "bytes=-5", "bytes=0-1, 3-4", "BYTES=0-0"] {
            assert!(is_byte_ranges(range), "{range}");
        }
        for other in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=5-1",
            "items=0-5",
            "bytes=a-b",
            "bytes=0-5,",
            "bytes=--5",
            "bytes=+1-5",
        ] {
            assert!(!is_byte_ranges(other), "{other}");
        }
    }

    #[test]
    fn a_range_of_a_head_request_is_ignored() {
        let mut fields = headers(&[(RANGE, "bytes=0-5")]);
        drop_idle_range(&Method::GET, &mut fields);
        assert_eq!(fields.len(), 1);
        drop_idle_range(&Method::HEAD, &mut fields);
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
