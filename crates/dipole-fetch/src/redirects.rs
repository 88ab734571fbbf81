//! Following redirects (RFC 9110 section 15.4).

use dipole_http::{Body, ClientError, SendRequest, Via};
use http::header::{self, HeaderName};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Uri};
use tower_layer::Layer;

use crate::around::{Around, Below, Outcome, Rules};
use crate::location::resolve;
use crate::repeatable::{Repeatable, drain};

/// Follows redirects.
///
/// 301 and 302 turn POST into GET, as browsers do; 303 turns all but HEAD into GET; 307 and 308 keep
/// the method and body. What turns into GET loses its body and the fields that describe it. A
/// request to another origin (scheme, host, port) loses `Authorization`, `Proxy-Authorization`,
/// `Cookie`, `Host`, and the extension [`Via`].
///
/// A redirect without `Location`, and one that would need a body again that was a stream, is given
/// as it is. One that leads to no URL of HTTP, and one too many, is an error of kind
/// [`Redirect`](dipole_http::ClientErrorKind::Redirect).
#[derive(Debug, Clone)]
pub struct Redirects {
    limit: usize,
    downgrade: Downgrade,
}

/// From `https:` to `http:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Downgrade {
    Followed,
    Refused,
}

impl Default for Redirects {
    /// At most ten, wherever they lead.
    fn default() -> Self {
        Self { limit: 10, downgrade: Downgrade::Followed }
    }
}

impl Redirects {
    /// At most `limit` in a row.
    #[must_use]
    pub fn at_most(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Those from `https:` to `http:` are an error.
    #[must_use]
    pub fn refuse_downgrades(mut self) -> Self {
        self.downgrade = Downgrade::Refused;
        self
    }
}

impl<S> Layer<S> for Redirects {
    type Service = Around<S, Self>;

    fn layer(&self, service: S) -> Around<S, Self> {
        Around::new(service, self.clone())
    }
}

/// Where a response came from in the end: an extension of each that came by a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirected(pub Uri);

impl Rules for Redirects {
    async fn carry<S: SendRequest>(self, request: Request<Body>, mut below: Below<S>) -> Outcome {
        let (mut request, mut kept) = Repeatable::of(request);
        let mut followed = 0;
        loop {
            let mut response = below.send(request).await?;
            let Some(next) = self.next(&mut kept, &response, followed)? else {
                if followed > 0 {
                    response.extensions_mut().insert(Redirected(kept.parts.uri));
                }
                return Ok(response);
            };
            drain(response).await;
            request = next;
            followed += 1;
        }
    }
}

impl Redirects {
    /// The request that follows from `response`, and `kept` is turned into; `None` when none does.
    fn next(
        &self,
        kept: &mut Repeatable,
        response: &Response<Body>,
        followed: usize,
    ) -> Result<Option<Request<Body>>, ClientError> {
        let method = match (response.status(), &kept.parts.method) {
            (StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND, &Method::POST) => Method::GET,
            (StatusCode::SEE_OTHER, method) if *method != Method::HEAD => Method::GET,
            (
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT,
                method,
            ) => method.clone(),
            _ => return Ok(None),
        };
        let keeps_body = method == kept.parts.method;
        let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
        if keeps_body && kept.body.is_none() {
            return Ok(None);
        }
        let from = &kept.parts.uri;
        let Some(uri) = resolve(from, location.as_bytes()) else {
            let shown = String::from_utf8_lossy(location.as_bytes()).into_owned();
            return Err(ClientError::redirect(format!(
                "{from} redirects to {shown:?}, which cannot be followed"
            )));
        };
        if followed >= self.limit {
            return Err(ClientError::redirect(format!(
                "{from} redirects to {uri}, and {followed} redirects were followed already; \
                 allow more, or ask for that"
            )));
        }
        let is_downgrade =
            from.scheme() == Some(&Scheme::HTTPS) && uri.scheme() == Some(&Scheme::HTTP);
        if is_downgrade && self.downgrade == Downgrade::Refused {
            return Err(ClientError::redirect(format!("{from} redirects to {uri}, without TLS")));
        }
        if !keeps_body {
            kept.body = Some(bytes::Bytes::new());
            for name in OF_A_BODY {
                kept.parts.headers.remove(name);
            }
        }
        if !is_same_origin(from, &uri) {
            for name in OF_AN_ORIGIN {
                kept.parts.headers.remove(name);
            }
            kept.parts.extensions.remove::<Via>();
        }
        kept.parts.method = method;
        kept.parts.uri = uri;
        Ok(kept.again())
    }
}

/// What describes a body (RFC 9110 section 15.4).
const OF_A_BODY: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::EXPECT,
];

/// What is told one origin alone.
const OF_AN_ORIGIN: [HeaderName; 4] =
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::HOST];

/// RFC 6454 section 5.
fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let port = |uri: &Uri| {
        let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        uri.port_u16().unwrap_or(default)
    };
    let host = |uri: &Uri| uri.host().unwrap_or_default().to_ascii_lowercase();
    one.scheme() == other.scheme() && host(one) == host(other) && port(one) == port(other)
}
