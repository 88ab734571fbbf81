//! One request and its response.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_net::{Stream, StreamConn};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as HttpBody;
use tokio::time::Instant;

use super::arriving::{Arriving, Incoming, Told, Unreadable, poll_frame};
use super::discard::Discard;
use super::leaving::{Cut, Leaving};
use crate::h3::codec::code;
use crate::h3::codec::fields::{self, SectionFault};
use crate::h3::codec::frames::{self, Frame, FrameFault, FrameReader};
use crate::h3::codec::request::{self, ExtendedConnect, Head};
use crate::server::{Answer, AnswerBody, Deadline, Exchanges};
use crate::{Body, HttpService, ServerConfig};

/// Answers the request that a stream carries.
pub(super) async fn run<S: HttpService>(
    stream: Stream,
    conn: Arc<dyn StreamConn>,
    exchanges: Exchanges<S>,
) {
    let connection = exchanges.connection();
    let config = connection.config();
    let mut leaving = Leaving::new(stream.send, config.write_timeout);
    let reader = FrameReader::new(config.max_head_bytes);
    let mut incoming = Incoming { receive: stream.receive, reader, held: Bytes::new() };
    let head = match read_head(&mut incoming, config).await {
        Ok(head) => head,
        Err(fault) => return refuse(fault, incoming, leaving, &conn, &connection).await,
    };
    if incoming.receive.is_early_data() && !head.request.method().is_safe() {
        // RFC 8470 section 5.2: what changes something may be somebody's replay.
        return refuse(HeadFault::Early, incoming, leaving, &conn, &connection).await;
    }
    let is_head = head.request.method() == Method::HEAD;
    let expects = expects_continue(head.request.headers());
    // Most requests have no body, and their end has come with their head.
    let ended = poll_fn(|cx| Poll::Ready(poll_end(&mut incoming, cx))).await;
    let (mut answer, told) = begin(head, incoming, conn, ended, &exchanges);
    let mut discard =
        told.as_ref().map(|told| Discard::new(Arc::clone(told), config.max_drain_bytes));
    let Some(response) = respond(&mut answer, &mut leaving, told.as_deref(), expects).await else {
        return;
    };
    drop(answer);
    if expects && told.as_deref().is_some_and(|told| !told.wants_body()) {
        // RFC 9110 10.1.1: it was never asked for the body.
        discard = None;
    }
    let (parts, body) = response.into_parts();
    let (status, mut headers) = (parts.status, parts.headers);
    let declared = complete(status, &mut headers, &body, is_head, &connection);
    leaving.head(status, &headers);
    drop(headers);
    let sent = match &told {
        // A request that turns out to be malformed while its response is sent.
        Some(told) => {
            let mut sending = std::pin::pin!(leaving.body(body, declared));
            let ended = poll_fn(|cx| match sending.as_mut().poll(cx) {
                Poll::Ready(sent) => Poll::Ready(Ok(sent)),
                Poll::Pending => {
                    let broken = told.poll_broken(cx).map(Err);
                    // Meanwhile: the answer may be longer than what a client takes that still sends.
                    if let Some(discard) = &mut discard {
                        _ = discard.poll(cx);
                    }
                    broken
                }
            });
            ended.await
        }
        None => Ok(leaving.body(body, declared).await),
    };
    match sent {
        Ok(Ok(())) => {}
        Ok(Err(cut)) => {
            if matches!(cut, Cut::Late) {
                connection.count_timed_out();
            }
            leaving.cut(&cut);
            return;
        }
        Err(code) => return leaving.cancel(code),
    }
    if let Some(discard) = discard {
        discard.rest(config.linger_timeout).await;
    }
    if connection.is_draining() {
        // The connection is closed when nothing is under way, and nothing must be lost with it.
        arrive(&mut leaving, config).await;
    }
}

/// Gives a request to the service.
fn begin<S: HttpService>(
    head: Head,
    incoming: Incoming,
    conn: Arc<dyn StreamConn>,
    ended: bool,
    exchanges: &Exchanges<S>,
) -> (Answer<S>, Option<Arc<Told>>) {
    let Head { request, content_length } = head;
    if ended && content_length.is_none_or(|length| length == 0) {
        return (exchanges.answer(request.map(|()| Body::empty())), None);
    }
    let told = Arc::<Told>::default();
    let limit = exchanges.config().max_head_bytes;
    let body = Arriving::new(conn, incoming, content_length, limit, Arc::clone(&told));
    (exchanges.answer(request.map(|()| body)), Some(told))
}

/// True when the stream has ended behind the head.
fn poll_end(incoming: &mut Incoming, cx: &mut Context<'_>) -> bool {
    if !incoming.held.is_empty() || !incoming.reader.is_between() {
        return false;
    }
    match incoming.receive.poll_read(cx) {
        Poll::Ready(Ok(None)) => true,
        Poll::Ready(Ok(Some(bytes))) => {
            incoming.held = bytes;
            false
        }
        // What is wrong, the body's reader sees again.
        Poll::Ready(Err(_)) | Poll::Pending => false,
    }
}

/// Waits for the service's response. `None`: the request is over without one.
async fn respond<S: HttpService>(
    answer: &mut Answer<S>,
    leaving: &mut Leaving,
    told: Option<&Told>,
    mut expects: bool,
) -> Option<Response<AnswerBody<S::ResponseBody>>> {
    poll_fn(|cx| {
        let polled = Pin::new(&mut *answer).poll(cx);
        // A malformed request goes before what the handler makes of it.
        if let Some(told) = told
            && let Poll::Ready(code) = told.poll_broken(cx)
        {
            leaving.cancel(code);
            return Poll::Ready(None);
        }
        if let Poll::Ready(response) = polled {
            return Poll::Ready(Some(response));
        }
        if expects && told.is_some_and(Told::wants_body) {
            // RFC 9110 10.1.1.
            expects = false;
            leaving.head(StatusCode::CONTINUE, &HeaderMap::new());
        }
        if matches!(leaving.poll_flush(cx), Poll::Ready(Err(_)))
            || leaving.poll_stopped(cx).is_ready()
        {
            leaving.cancel(code::REQUEST_CANCELLED);
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await
}

fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Adds the fields that the server answers for; gives what `content-length` says, where the body is
/// to be held to it.
fn complete(
    status: StatusCode,
    headers: &mut HeaderMap,
    body: &impl HttpBody,
    is_head: bool,
    exchanges: &Exchanges<()>,
) -> Option<u64> {
    headers.entry(header::DATE).or_insert_with(|| exchanges.date());
    // RFC 9110 8.6: these have none of their own.
    let has_no_body = is_head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
    }
    if has_no_body {
        return None;
    }
    if let Some(declared) = headers.get(header::CONTENT_LENGTH) {
        return declared.to_str().ok()?.parse().ok();
    }
    let exact = body.size_hint().exact()?;
    headers.insert(header::CONTENT_LENGTH, exact.into());
    Some(exact)
}

/// Waits until the client has the response, within the time that it may take for any piece.
async fn arrive(leaving: &mut Leaving, config: &ServerConfig) {
    let stopped = poll_fn(|cx| leaving.poll_stopped(cx));
    match config.write_timeout {
        Some(timeout) => drop(tokio::time::timeout(timeout, stopped).await),
        None => stopped.await,
    }
}

/// Why a request does not come to the service.
enum HeadFault {
    Gone,
    /// It ended before its head did.
    Incomplete,
    /// It ends the connection.
    OfConnection(u64, &'static str),
    Malformed,
    TooLarge,
    UnknownProtocol,
    Late,
    Early,
}

impl From<SectionFault> for HeadFault {
    fn from(fault: SectionFault) -> Self {
        match fault {
            SectionFault::Undecodable => {
                Self::OfConnection(code::DECOMPRESSION_FAILED, "a head cannot be decoded")
            }
            SectionFault::Malformed => Self::Malformed,
            SectionFault::TooLarge => Self::TooLarge,
            SectionFault::UnknownProtocol => Self::UnknownProtocol,
        }
    }
}

async fn read_head(incoming: &mut Incoming, config: &ServerConfig) -> Result<Head, HeadFault> {
    let mut timer = Deadline::default();
    let mut is_timed = false;
    let frame = poll_fn(|cx| {
        if let Poll::Ready(frame) = poll_frame(incoming, cx) {
            return Poll::Ready(Some(frame));
        }
        if !std::mem::replace(&mut is_timed, true) {
            timer.set(config.header_timeout.map(|timeout| Instant::now() + timeout));
        }
        timer.poll_passed(cx).map(|()| None)
    });
    let payload = match frame.await {
        Some(Ok(Some(Frame::Other { kind: frames::HEADERS, payload }))) => payload,
        Some(Ok(Some(_))) => {
            let text = "a request begins with another frame than its head";
            return Err(HeadFault::OfConnection(code::FRAME_UNEXPECTED, text));
        }
        Some(Ok(None)) => return Err(HeadFault::Incomplete),
        Some(Err(Unreadable::Gone)) => return Err(HeadFault::Gone),
        Some(Err(Unreadable::Fault(FrameFault::TooLong))) => return Err(HeadFault::TooLarge),
        Some(Err(Unreadable::Fault(fault))) => {
            return Err(HeadFault::OfConnection(fault.code(), fault.text()));
        }
        None => return Err(HeadFault::Late),
    };
    let section = fields::decode(&payload, config.max_head_bytes)?;
    let extended = match config.http3.extended_connect {
        true => ExtendedConnect::Taken,
        false => ExtendedConnect::Refused,
    };
    Ok(request::read(section, extended)?)
}

/// Ends a request that does not come to the service.
async fn refuse(
    fault: HeadFault,
    mut incoming: Incoming,
    mut leaving: Leaving,
    conn: &Arc<dyn StreamConn>,
    exchanges: &Exchanges<()>,
) {
    let status = match fault {
        HeadFault::Gone => return leaving.cancel(code::REQUEST_CANCELLED),
        HeadFault::Incomplete => return leaving.cancel(code::REQUEST_INCOMPLETE),
        HeadFault::OfConnection(code, text) => {
            exchanges.count_rejected();
            return conn.close_with_error(code, text.as_bytes());
        }
        HeadFault::Malformed => {
            // RFC 9114 4.1.2.
            exchanges.count_rejected();
            incoming.receive.cancel_read(code::MESSAGE_ERROR);
            return leaving.cancel(code::MESSAGE_ERROR);
        }
        HeadFault::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        HeadFault::UnknownProtocol => StatusCode::NOT_IMPLEMENTED,
        HeadFault::Late => StatusCode::REQUEST_TIMEOUT,
        HeadFault::Early => StatusCode::TOO_EARLY,
    };
    match fault {
        HeadFault::Late => exchanges.count_timed_out(),
        _ => exchanges.count_rejected(),
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::DATE, exchanges.date());
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    leaving.head(status, &headers);
    if let Err(cut) = leaving.end().await {
        leaving.cut(&cut);
    }
    // What still comes of the request is of no use, which is no fault.
    incoming.receive.cancel_read(code::NO_ERROR);
}
