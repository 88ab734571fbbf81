//! The `date` field of answers (RFC 9110 section 6.6.1), written anew once a second.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

use crate::h1::codec::encode::DateLine;

/// The current date.
#[derive(Debug)]
pub(crate) struct Date {
    line: DateLine,
    /// The end of its second; `None` while there is no date.
    until: Option<Instant>,
}

impl Default for Date {
    /// None yet.
    fn default() -> Self {
        Self { line: [b' '; 37], until: None }
    }
}

impl Date {
    /// The field's line at `now`, with its line end.
    #[inline]
    pub(crate) fn line(&mut self, now: Instant) -> &DateLine {
        if self.until.is_none_or(|until| now >= until) {
            *self = Self::at(now);
        }
        &self.line
    }

    fn at(now: Instant) -> Self {
        let time = SystemTime::now();
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let left = 1_000_000_000 - since_epoch.subsec_nanos();
        // An IMF-fixdate, RFC 9110 section 5.6.7: always 29 bytes.
        let mut line = *b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        line[6..35].copy_from_slice(httpdate::fmt_http_date(time).as_bytes());
        Self { line, until: Some(now + Duration::from_nanos(left.into())) }
    }
}

/// The value of such a line.
pub(super) fn value(line: &DateLine) -> HeaderValue {
    // Never the other: the line is made here.
    HeaderValue::from_bytes(&line[6..35]).unwrap_or_else(|_| HeaderValue::from_static(""))
}
