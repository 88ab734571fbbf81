//! Deadlines that gRPC clients set (the gRPC protocol over HTTP/2, "grpc-timeout").

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// DEADLINE_EXCEEDED.
const DEADLINE_EXCEEDED: HeaderValue = HeaderValue::from_static("4");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// How long the client gives this call; `None` where it is no gRPC, or says nothing that is one.
pub(super) fn timeout(parts: &Parts) -> Option<Duration> {
    // The cheaper look first: few requests have the field.
    let text = parts.headers.get("grpc-timeout")?.to_str().ok()?;
    let media_type = parts.headers.get(header::CONTENT_TYPE)?.as_bytes();
    media_type.starts_with(b"application/grpc").then(|| parse(text))?
}

/// At most eight digits, and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 60 * 60),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// What a call ends with whose time is over: in the head where nothing was sent, else in trailers.
pub(super) fn deadline_exceeded(fields: &mut HeaderMap) {
    fields.insert(STATUS, DEADLINE_EXCEEDED);
    fields.insert(MESSAGE, HeaderValue::from_static("the client's deadline has passed"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("1S", Some(Duration::from_secs(1))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("100m", Some(Duration::from_millis(100))),
            ("5u", Some(Duration::from_micros(5))),
            ("0n", Some(Duration::ZERO)),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("1s", None),
            ("+1S", None),
            ("1 S", None),
            ("1é", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_grpc_has_one() {
        let parts = |media_type: &str| {
            let request = http::Request::builder().header("grpc-timeout", "1S");
            let request = request.header("content-type", media_type).body(());
            request.expect("a request").into_parts().0
        };
        assert_eq!(timeout(&parts("application/grpc+proto")), Some(Duration::from_secs(1)));
        assert_eq!(timeout(&parts("text/plain")), None);
    }
}
