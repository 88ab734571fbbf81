//! Well-known field names, told apart without hashing and without allocating.

use http::header::{self, HeaderName};

/// What a field means to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Host,
    Connection,
    ContentLength,
    TransferEncoding,
    Expect,
    Upgrade,
    /// For the application alone.
    Other,
}

/// Writes the table of names as one `match` over integers. Each integer is the name in lower case
/// and its colon, so that a name is found in a few comparisons.
macro_rules! table {
    ($($key:ident $text:literal = $name:expr, $meaning:ident;)+) => {
        $(const $key: u128 = key($text);)+

        /// The name of `len` bytes, 1 to 16, before the first colon of `block`. `None` when it is
        /// none of the well-known names; it may still be a valid one.
        #[inline]
        pub(super) fn well_known(block: &[u8; 16], len: usize) -> Option<(HeaderName, Meaning)> {
            const BIT_6: u128 = 0x4040_4040_4040_4040_4040_4040_4040_4040;
            let bytes = u128::from_le_bytes(*block);
            // A letter is a byte with bit 6, and bit 5 makes it lower case.
            let lower = bytes | ((bytes & BIT_6) >> 1);
            // The colon, which has no bit 6, tells a name from the same one with zeros after it.
            let (name, meaning) = match lower & (u128::MAX >> (120 - 8 * len.min(15))) {
                $($key => ($name, Meaning::$meaning),)+
                _ => return None,
            };
            Some((name, meaning))
        }

        #[cfg(test)]
        const TEXTS: &[&str] = &[$($text,)+];
    };
}

table! {
    ACCEPT "accept" = header::ACCEPT, Other;
    ACCEPT_ENCODING "accept-encoding" = header::ACCEPT_ENCODING, Other;
    ACCEPT_LANGUAGE "accept-language" = header::ACCEPT_LANGUAGE, Other;
    ACCEPT_RANGES "accept-ranges" = header::ACCEPT_RANGES, Other;
    AUTHORIZATION "authorization" = header::AUTHORIZATION, Other;
    CACHE_CONTROL "cache-control" = header::CACHE_CONTROL, Other;
    CONNECTION "connection" = header::CONNECTION, Connection;
    CONTENT_ENCODING "content-encoding" = header::CONTENT_ENCODING, Other;
    CONTENT_LENGTH "content-length" = header::CONTENT_LENGTH, ContentLength;
    CONTENT_TYPE "content-type" = header::CONTENT_TYPE, Other;
    COOKIE "cookie" = header::COOKIE, Other;
    DATE "date" = header::DATE, Other;
    ETAG "etag" = header::ETAG, Other;
    EXPECT "expect" = header::EXPECT, Expect;
    HOST "host" = header::HOST, Host;
    IF_NONE_MATCH "if-none-match" = header::IF_NONE_MATCH, Other;
    LAST_MODIFIED "last-modified" = header::LAST_MODIFIED, Other;
    LOCATION "location" = header::LOCATION, Other;
    ORIGIN "origin" = header::ORIGIN, Other;
    PRAGMA "pragma" = header::PRAGMA, Other;
    PRIORITY "priority" = const { HeaderName::from_static("priority") }, Other;
    RANGE "range" = header::RANGE, Other;
    REFERER "referer" = header::REFERER, Other;
    SEC_CH_UA "sec-ch-ua" = const { HeaderName::from_static("sec-ch-ua") }, Other;
    SEC_CH_UA_MOBILE "sec-ch-ua-mobile" = const { HeaderName::from_static("sec-ch-ua-mobile") }, Other;
    SEC_FETCH_DEST "sec-fetch-dest" = const { HeaderName::from_static("sec-fetch-dest") }, Other;
    SEC_FETCH_MODE "sec-fetch-mode" = const { HeaderName::from_static("sec-fetch-mode") }, Other;
    SEC_FETCH_SITE "sec-fetch-site" = const { HeaderName::from_static("sec-fetch-site") }, Other;
    SEC_FETCH_USER "sec-fetch-user" = const { HeaderName::from_static("sec-fetch-user") }, Other;
    SERVER "server" = header::SERVER, Other;
    SET_COOKIE "set-cookie" = header::SET_COOKIE, Other;
    TE "te" = header::TE, Other;
    UPGRADE "upgrade" = header::UPGRADE, Upgrade;
    USER_AGENT "user-agent" = header::USER_AGENT, Other;
    VARY "vary" = header::VARY, Other;
    X_FORWARDED_FOR "x-forwarded-for" = const { HeaderName::from_static("x-forwarded-for") }, Other;
    X_REAL_IP "x-real-ip" = const { HeaderName::from_static("x-real-ip") }, Other;
    X_REQUEST_ID "x-request-id" = const { HeaderName::from_static("x-request-id") }, Other;
}

/// As [`well_known`], for names of more than 16 bytes.
#[inline]
pub(super) fn well_known_long(name: &[u8]) -> Option<(HeaderName, Meaning)> {
    let (known, meaning) = match (name.len(), name.first()? | 0x20) {
        (17, b't') => (header::TRANSFER_ENCODING, Meaning::TransferEncoding),
        (17, b'i') => (header::IF_MODIFIED_SINCE, Meaning::Other),
        (17, b's') => (header::SEC_WEBSOCKET_KEY, Meaning::Other),
        (18, b's') => (PLATFORM, Meaning::Other),
        (25, b'u') => (header::UPGRADE_INSECURE_REQUESTS, Meaning::Other),
        _ => return None,
    };
    known.as_str().as_bytes().eq_ignore_ascii_case(name).then_some((known, meaning))
}

const PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");

/// The name and its colon, if that fits, as `well_known` folds them.
const fn key(name: &str) -> u128 {
    let name = name.as_bytes();
    assert!(!name.is_empty() && name.len() <= 16, "one integer holds it");
    let mut key = if name.len() < 16 { b':' as u128 } else { 0 };
    let mut at = name.len();
    while at > 0 {
        at -= 1;
        key = (key << 8) | name[at] as u128;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::super::scan::block;
    use super::*;

    #[test]
    fn each_name_is_found_in_any_case_and_is_itself() {
        for text in TEXTS {
            for spelt in [text.to_string(), text.to_uppercase()] {
                let line = format!("{spelt}: value and more than sixteen bytes");
                let (name, _) = well_known(&block(line.as_bytes(), 0), text.len()).expect(text);
                assert_eq!(name, HeaderName::from_bytes(text.as_bytes()).expect(text));
                assert_eq!(name.as_str(), *text);
            }
        }
        for text in [
            "transfer-encoding",
            "If-Modified-Since",
            "Sec-WebSocket-Key",
            "sec-ch-ua-platform",
            "Upgrade-Insecure-Requests",
        ] {
            let (name, _) = well_known_long(text.as_bytes()).expect(text);
            assert_eq!(name, HeaderName::from_bytes(text.as_bytes()).expect(text));
        }
    }

    #[test]
    fn no_other_byte_passes_for_a_byte_of_a_name() {
        for text in TEXTS {
            for at in 0..text.len() {
                for byte in 0..=255u8 {
                    let mut spelt = text.as_bytes().to_vec();
                    spelt[at] = byte;
                    spelt.push(b':');
                    if let Some((name, _)) = well_known(&block(&spelt, 0), text.len()) {
                        spelt.pop();
                        assert!(spelt.eq_ignore_ascii_case(name.as_str().as_bytes()), "{spelt:?}");
                    }
                }
            }
            for more in 1..=16 - text.len() {
                let line = text.to_string() + &"\0".repeat(more) + ": value";
                assert_eq!(well_known(&block(line.as_bytes(), 0), text.len() + more), None);
            }
        }
        assert_eq!(well_known_long(b"transfer-encodinh"), None);
    }
}
