//! A request's head, as HTTP/3 says it (RFC 9114 section 4.3.1).

use http::header::{self, HeaderName};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

use super::fault::{Fault, FaultKind};
use crate::h1::client::Ask;
use crate::h1::codec::encode::Framing;
use crate::h2::client::Question;

/// RFC 9114 4.2: fields of the connection are HTTP/1.1's.
const OF_CONNECTION: [HeaderName; 5] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

const ALT_USED: HeaderName = HeaderName::from_static("alt-used");

/// The head that asks `question`, with a body framed as `framing` says. `alt_used` is the
/// alternative that it goes to (RFC 7838 section 5).
pub(super) fn head(
    question: &Question<'_>,
    framing: Framing,
    alt_used: Option<&str>,
) -> Result<Request<()>, Fault> {
    let mut request = Request::new(());
    *request.method_mut() = question.ask.method.clone();
    *request.uri_mut() = uri(question)?;
    *request.version_mut() = Version::HTTP_3;
    *request.headers_mut() = fields(question.ask, framing);
    if let Some(Ok(value)) = alt_used.map(HeaderValue::from_str) {
        request.headers_mut().insert(ALT_USED, value);
    }
    Ok(request)
}

fn uri(question: &Question<'_>) -> Result<Uri, Fault> {
    let Ask { target, host, .. } = *question.ask;
    let wrong = || Fault::new(FaultKind::Host);
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(question.scheme.clone());
    parts.authority = Some(Authority::try_from(host).map_err(|_| wrong())?);
    parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| wrong())?);
    Uri::from_parts(parts).map_err(|_| wrong())
}

fn fields(ask: &Ask<'_>, framing: Framing) -> HeaderMap {
    let mut fields = ask.headers.clone();
    for value in ask.headers.get_all(header::CONNECTION) {
        let names = value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii);
        for name in names.filter_map(|name| HeaderName::from_bytes(name).ok()) {
            fields.remove(name);
        }
    }
    for name in OF_CONNECTION {
        fields.remove(name);
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
