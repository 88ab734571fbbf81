//! A whole head into a response.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};

use super::fields;
use super::framing::{self, ResponseFraming};
use super::head::HeadShape;
use super::reject::Reject;
use super::{request, scan};

/// A response without its body, and what its connection needs to know of it.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: ResponseFraming,
    /// The server will go on with this connection.
    pub(crate) keep_alive: bool,
}

/// Reads the head that was found as `shape`; `head` is exactly its bytes. Names and values are
/// slices of `head`, not copies. `method` is that of the request that is answered.
///
/// # Errors
/// What is wrong with it; nothing more can be read from the connection.
pub(crate) fn parse_response(
    head: &Bytes,
    shape: &HeadShape,
    method: &Method,
) -> Result<ResponseHead, Reject> {
    let start = shape.leading;
    let line = head.get(start..).unwrap_or_default();
    let end = scan::find(line, b'\r').ok_or(Reject::LineEnd)?;
    if line.get(end + 1) != Some(&b'\n') {
        return Err(Reject::LineEnd);
    }
    // RFC 9112 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. Many servers
    // leave the second SP away with the reason.
    let (version, rest) = line[..end].split_at_checked(8).ok_or(Reject::StartLine)?;
    let version = request::version(version)?;
    let status = match rest {
        [b' ', a, b, c] => [*a, *b, *c],
        [b' ', a, b, c, b' ', reason @ ..] if reason.iter().all(is_text) => [*a, *b, *c],
        _ => return Err(Reject::StartLine),
    };
    let status = StatusCode::from_bytes(&status).map_err(|_| Reject::StartLine)?;

    let (headers, facts) = fields::parse(head, start + end + 2, shape.fields)?;
    let framing = framing::of_response(method, status, version, &facts)?;
    let keep_alive =
        framing != ResponseFraming::UntilClose && framing::keep_alive(version, &facts);
    Ok(ResponseHead { status, version, headers, framing, keep_alive })
}

fn is_text(b: &u8) -> bool {
    matches!(b, b'\t' | b' '..=b'~' | 0x80..)
}
