//! One request out, one response head in.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;

use super::fault::{Fault, FaultKind, Repeat};
use super::link::Link;
use super::outgoing::{Desk, Outgoing, lend};
use super::receiving::Receiving;
use crate::Body;
use crate::h1::client::{Ask, Patience, SendFault, Sending};

/// What to ask of a server.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) ask: &'a Ask<'a>,
    pub(crate) scheme: Scheme,
    pub(crate) extensions: &'a Extensions,
}

impl Question<'_> {
    /// What an extended CONNECT asks for (RFC 8441, RFC 9220).
    pub(crate) fn protocol(&self) -> Option<&hyper::ext::Protocol> {
        self.extensions.get().filter(|_| *self.ask.method == Method::CONNECT)
    }
}

/// Sends a request on a stream of `link` and waits for the response's head. `stream` is dropped
/// when both bodies have ended.
///
/// Where there is no response, `sending` is as it was, for another try.
pub(crate) async fn exchange(
    link: &Link,
    question: &Question<'_>,
    sending: &mut Sending,
    stream: Arc<dyn Send + Sync>,
) -> Result<Response<Body>, Fault> {
    let limits = question.ask.limits;
    let (outgoing, mut desk) = lend(sending, Arc::clone(&stream));
    let request = match request(question, outgoing) {
        Ok(request) => request,
        Err(fault) => {
            desk.take_back(sending);
            return Err(fault);
        }
    };
    let mut sender = link.sender();
    let response = sender.try_send_request(request);
    let came = in_time(response, &mut desk, limits.response_timeout).await;
    let fault = match came {
        Some(Ok(response)) if response.headers().len() > limits.head.max_fields => {
            return Err(Fault::new(FaultKind::TooManyFields));
        }
        Some(Ok(response)) => {
            let (mut parts, incoming) = response.into_parts();
            if question.ask.wants_report {
                parts.extensions.insert(link.report().clone());
            }
            // RFC 9110 8.6: these say a length of what they do not have.
            let is_bodiless =
                *question.ask.method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
            let promised = incoming.size_hint().exact().filter(|_| !is_bodiless);
            let body = if incoming.is_end_stream() && promised.unwrap_or(0) == 0 {
                Body::empty()
            } else {
                Body::new(Receiving::new(incoming, stream, promised, limits.body_timeout))
            };
            return Ok(Response::from_parts(parts, body));
        }
        Some(Err(mut error)) => {
            let was_sent = error.take_message().is_none();
            Fault::of(error.into_error(), was_sent)
        }
        None => Fault::new(FaultKind::TimedOut),
    };
    if fault.repeat == Repeat::Any && !fault.is_refusal() {
        // It is going away.
        link.retire();
    }
    Err(match desk.take_back(sending) {
        // The stream was reset for that.
        Some(SendFault::Body(error)) => Fault::new(FaultKind::Body(error)),
        Some(SendFault::Length) => Fault::new(FaultKind::BodyLength),
        Some(SendFault::Connection(_)) | None => fault,
    })
}

/// `None` when the response takes longer than `limit`, from the end of the request on.
async fn in_time<F: Future>(
    response: F,
    desk: &mut Desk,
    limit: Option<Duration>,
) -> Option<F::Output> {
    let mut response = pin!(response);
    let mut patience = Patience::new(limit);
    poll_fn(|cx| {
        if let Poll::Ready(came) = response.as_mut().poll(cx) {
            return Poll::Ready(Some(came));
        }
        ready!(desk.poll_sent(cx));
        patience.poll_over(cx).map(|()| None)
    })
    .await
}

fn request(question: &Question<'_>, body: Outgoing) -> Result<Request<Outgoing>, Fault> {
    let mut request = Request::new(body);
    *request.method_mut() = question.ask.method.clone();
    *request.uri_mut() = uri(question)?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = fields(question.ask.headers);
    if let Some(protocol) = question.extensions.get::<hyper::ext::Protocol>() {
        request.extensions_mut().insert(protocol.clone());
    }
    Ok(request)
}

/// RFC 9113 8.3.1: scheme, authority and path; the authority alone for CONNECT, unless extended.
fn uri(question: &Question<'_>) -> Result<Uri, Fault> {
    let Ask { method, target, host, .. } = *question.ask;
    let wrong = || Fault::new(FaultKind::Host);
    let mut parts = http::uri::Parts::default();
    parts.authority = Some(Authority::try_from(host).map_err(|_| wrong())?);
    let is_extended = question.extensions.get::<hyper::ext::Protocol>().is_some();
    if *method != Method::CONNECT || is_extended {
        parts.scheme = Some(question.scheme.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| wrong())?);
    }
    Uri::from_parts(parts).map_err(|_| wrong())
}

/// RFC 9113 8.2.2: fields of the connection are HTTP/1.1's; `host` is in the authority.
fn fields(headers: &HeaderMap) -> HeaderMap {
    let mut fields = headers.clone();
    fields.remove(header::HOST);
    fields.remove(header::CONTENT_LENGTH);
    fields
}
