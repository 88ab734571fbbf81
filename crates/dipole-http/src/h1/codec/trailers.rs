//! Which fields may come after a body.

use http::header::{self, HeaderName};

/// True for a field that must not be a trailer: one that says how the message is framed, routed,
/// authenticated, modified, controlled or to be read (RFC 9110 section 6.5.1). One that comes is
/// refused with its message, since what it may do to whoever trusts it is not known here; one that
/// an application sets is left out.
pub(super) fn is_forbidden(name: &HeaderName) -> bool {
    FORBIDDEN.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

const FORBIDDEN: [HeaderName; 33] = [
    // Framing and the connection.
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::CONNECTION,
    header::UPGRADE,
    // Routing.
    header::HOST,
    header::MAX_FORWARDS,
    // Authentication.
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::WWW_AUTHENTICATE,
    header::COOKIE,
    header::SET_COOKIE,
    // Modifiers of a request.
    header::EXPECT,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    // Control of a response.
    header::AGE,
    header::DATE,
    header::EXPIRES,
    header::LOCATION,
    header::RETRY_AFTER,
    header::VARY,
    header::WARNING,
    // How to read the content.
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
];
