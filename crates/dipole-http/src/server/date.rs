//! The `date` field of answers (RFC 9110 section 6.6.1), written anew once a second.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// An IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
pub(crate) type DateText = [u8; 29];

/// A worker's date.
#[derive(Debug)]
pub(crate) struct DateCache {
    current: Mutex<Current>,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    text: DateText,
    until: Instant,
}

impl DateCache {
    pub(crate) fn new(now: Instant) -> Self {
        Self { current: Mutex::new(Current::at(now)) }
    }

    /// The date at `now`.
    pub(crate) fn at(&self, now: Instant) -> DateText {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= current.until {
            *current = Current::at(now);
        }
        current.text
    }
}

impl Current {
    fn at(now: Instant) -> Self {
        let time = SystemTime::now();
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let left = 1_000_000_000 - since_epoch.subsec_nanos();
        let mut text = [0; 29];
        text.copy_from_slice(httpdate::fmt_http_date(time).as_bytes());
        Self { text, until: now + Duration::from_nanos(left.into()) }
    }
}
