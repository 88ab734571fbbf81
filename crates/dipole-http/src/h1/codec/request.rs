//! A whole head into a request.

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version};

use super::fields::{self, Expect};
use super::framing::{self, BodyFraming};
use super::head::{HeadLimits, HeadShape};
use super::reject::Reject;
use super::{scan, target};

/// A request without its body, and what its connection needs to know of it.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    /// The target in the form that was sent: with scheme and authority for absolute-form, the
    /// authority alone for CONNECT, `*` for OPTIONS. The authority, when there is one, goes before
    /// `Host` (RFC 9112 section 3.2.2), which stays in `headers` as it came.
    pub(crate) uri: Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: BodyFraming,
    /// The client will go on with this connection, if the server will.
    pub(crate) keep_alive: bool,
    /// The client waits for 100 (Continue) before it sends the body, which is not empty.
    pub(crate) expect_continue: bool,
    /// The client asks for another protocol on this connection.
    pub(crate) upgrade: bool,
}

/// Reads the head that was found as `shape`; `head` is exactly its bytes. Names and values are
/// slices of `head`, not copies.
///
/// # Errors
/// Why the request is refused: answer so, and close.
pub(crate) fn parse_request(
    head: &Bytes,
    shape: &HeadShape,
    limits: &HeadLimits,
) -> Result<RequestHead, Reject> {
    let start = shape.leading;
    let line = head.get(start..).unwrap_or_default();
    let end = scan::find(line, b'\r').ok_or(Reject::LineEnd)?;
    if line.get(end + 1) != Some(&b'\n') {
        return Err(Reject::LineEnd);
    }
    // RFC 9112 3: request-line = method SP request-target SP HTTP-version, with one SP each.
    let space = scan::find(&line[..end], b' ').ok_or(Reject::StartLine)?;
    let method = Method::from_bytes(&line[..space]).map_err(|_| Reject::Method)?;
    let target_start = space + 1;
    let target_end = end.checked_sub(9).filter(|&at| at > target_start && line[at] == b' ');
    let target_end = target_end.ok_or(Reject::StartLine)?;
    let version = version(&line[target_end + 1..end])?;
    if target_end - target_start > limits.max_target_bytes.min(MAX_URI) {
        return Err(Reject::TargetTooLong);
    }
    let uri = target::parse(&method, head.slice(start + target_start..start + target_end))?;

    let (headers, facts) = fields::parse(head, start + end + 2, shape.fields)?;
    // RFC 9112 3.2: a missing Host, a second one or an invalid one is a 400.
    match facts.host {
        _ if facts.has_host_again => return Err(Reject::HostRepeated),
        Some((start, end)) if !target::is_host(&head[start..end]) => return Err(Reject::Host),
        None if version == Version::HTTP_11 => return Err(Reject::HostMissing),
        _ => {}
    }
    let framing = framing::of_request(version, &facts)?;
    let is_new = version == Version::HTTP_11;
    Ok(RequestHead {
        method,
        uri,
        version,
        headers,
        framing,
        keep_alive: framing::keep_alive(version, &facts),
        expect_continue: match facts.expect {
            // RFC 9110 10.1.1: the expectation of an HTTP/1.0 request is ignored.
            Expect::Continue => is_new && framing != BodyFraming::None,
            Expect::Other if is_new => return Err(Reject::Expectation),
            Expect::Other | Expect::Nothing => false,
        },
        // RFC 9110 7.8: Upgrade of an HTTP/1.0 request is ignored, and it needs its option.
        upgrade: is_new && facts.has_upgrade && facts.connection.upgrade,
    })
}

/// What `http::Uri` takes.
const MAX_URI: usize = 65_534;

/// The version, of which 8 bytes are given.
#[inline]
pub(super) fn version(text: &[u8]) -> Result<Version, Reject> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        // RFC 9110 2.5: a higher minor version is taken as the highest one that is known.
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Version::HTTP_11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Reject::Version),
        _ => Err(Reject::StartLine),
    }
}
