//! A request's head, as HTTP/3 says it (RFC 9114 section 4.3.1).

use http::header::{self, HeaderName};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method};
use hyper::ext::Protocol;

use super::fault::{Fault, FaultKind};
use crate::h1::client::Ask;
use crate::h1::codec::encode::Framing;
use crate::h2::client::Question;
use crate::h3::codec::fields::RequestHead;

const ALT_USED: HeaderName = HeaderName::from_static("alt-used");

/// What a request's head says, out of what is asked.
pub(super) struct Head<'a> {
    scheme: Option<&'a str>,
    authority: &'a str,
    path: Option<&'a str>,
    protocol: Option<&'a str>,
    method: &'a str,
    pub(super) fields: HeaderMap,
}

impl<'a> Head<'a> {
    /// The head that asks `question`, with a body framed as `framing` says. `alt_used` is the
    /// alternative that it goes to (RFC 7838 section 5).
    pub(super) fn of(
        question: &'a Question<'_>,
        framing: Framing,
        alt_used: Option<&str>,
    ) -> Result<Self, Fault> {
        let Ask { method, target, host, .. } = *question.ask;
        let wrong = || Fault::new(FaultKind::Host);
        let authority = std::str::from_utf8(host).map_err(|_| wrong())?;
        // Whether they are such texts.
        Authority::try_from(authority).map_err(|_| wrong())?;
        let mut fields = fields(question.ask, framing);
        if let Some(Ok(value)) = alt_used.map(HeaderValue::from_str) {
            fields.insert(ALT_USED, value);
        }
        let method = method.as_str();
        let protocol = question.protocol().map(Protocol::as_str);
        // RFC 9114 4.4: a tunnel has an authority alone.
        if *question.ask.method == Method::CONNECT && protocol.is_none() {
            let authority = target;
            return Ok(Self { scheme: None, authority, path: None, protocol, method, fields });
        }
        PathAndQuery::try_from(target).map_err(|_| wrong())?;
        let scheme = Some(question.scheme.as_str());
        Ok(Self { scheme, authority, path: Some(target), protocol, method, fields })
    }

    /// What comes before the fields.
    pub(super) fn lines(&self) -> RequestHead<'_> {
        let Self { scheme, authority, path, protocol, method, .. } = *self;
        RequestHead { method, scheme, authority, path, protocol }
    }
}

/// Those of the connection (RFC 9114 section 4.2) the encoder leaves out.
fn fields(ask: &Ask<'_>, framing: Framing) -> HeaderMap {
    let mut fields = ask.headers.clone();
    for value in ask.headers.get_all(header::CONNECTION) {
        let names = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        for name in names.filter_map(|name| HeaderName::from_bytes(name).ok()) {
            fields.remove(name);
        }
    }
    // RFC 9114 4.2: `te` says `trailers` or nothing.
    let takes_trailers = ask.headers.get_all(header::TE).iter().any(|value| {
        let mut codings = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        codings.any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
    });
    fields.remove(header::TE);
    if takes_trailers {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    // In the authority.
    fields.remove(header::HOST);
    fields.remove(header::CONTENT_LENGTH);
    let length = match framing {
        // RFC 9110 9.3.6: what follows is a tunnel's.
        _ if *ask.method == Method::CONNECT => None,
        Framing::Length(length) => Some(length),
        // RFC 9110 8.6: a method that anticipates content says that there is none.
        Framing::Unsaid if matches!(*ask.method, Method::POST | Method::PUT | Method::PATCH) => {
            Some(0)
        }
        Framing::Unsaid | Framing::Chunked => None,
    };
    if let Some(length) = length {
        fields.insert(header::CONTENT_LENGTH, length.into());
    }
    fields
}
