//! The `date` field of answers (RFC 9110 section 6.6.1), written anew once a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

use crate::h1::codec::encode::DateLine;

/// A worker's date.
#[derive(Debug)]
pub(crate) struct DateCache {
    current: Mutex<Current>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    line: DateLine,
    until: Instant,
}

impl DateCache {
    pub(crate) fn new(now: Instant) -> Self {
        Self { current: Mutex::new(Current::at(now)) }
    }

    /// The date at `now`.
    pub(crate) fn at(&self, now: Instant) -> DateLine {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= current.until {
            *current = Current::at(now);
        }
        current.line
    }
}

/// The value of such a line.
pub(super) fn value(line: &DateLine) -> HeaderValue {
    // Never the other: the line is made here.
    HeaderValue::from_bytes(&line[6..35]).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl Current {
    fn at(now: Instant) -> Self {
        let time = SystemTime::now();
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let left = 1_000_000_000 - since_epoch.subsec_nanos();
        // An IMF-fixdate, RFC 9110 section 5.6.7: always 29 bytes.
        let mut line = *b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        line[6..35].copy_from_slice(httpdate::fmt_http_date(time).as_bytes());
        Self { line, until: now + Duration::from_nanos(left.into()) }
    }
}
