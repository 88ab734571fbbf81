//! One request and its response.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use dipole_net::{Stream, StreamConn};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as HttpBody;
use tokio::time::Instant;

use super::arriving::{Arriving, Told};
use super::calm::Calm;
use super::discard::Discard;
use super::leaving::{self, Cut};
use crate::h3::codec::code;
use crate::h3::codec::fields::{self, SectionFault};
use crate::h3::codec::frames::{self, Frame, FrameFault};
use crate::h3::codec::request::{self, ExtendedConnect, Head};
use crate::h3::reading::{Ends, ReadFault, Reading};
use crate::h3::upgrade::{Switch, Tunnel};
use crate::h3::writing::Writing;
use crate::server::{Answer, AnswerBody, Deadline, Exchanges};
use crate::{Body, HttpService, ServerConfig};

/// RFC 8470 section 5.1.
const EARLY_DATA: HeaderName = HeaderName::from_static("early-data");

/// Answers the request that a stream carries.
pub(super) async fn run<S: HttpService>(
    stream: Stream,
    conn: Arc<dyn StreamConn>,
    calm: Arc<Calm>,
    exchanges: Exchanges<S>,
) {
    let connection = exchanges.connection();
    let config = connection.config();
    let mut writing = Writing::new(stream.send, config.write_timeout);
    let mut reading = Reading::new(stream.receive, config.max_head_bytes, code::NO_ERROR);
    let mut head = match read_head(&mut reading, &calm, config).await {
        Ok(head) => head,
        Err(fault) => return refuse(fault, reading, writing, &conn, &calm, &connection).await,
    };
    if reading.is_early_data() && !has_shaken_hands(&*conn).await {
        if !head.request.method().is_safe() {
            // RFC 8470 section 5.2: what changes something may be somebody's replay.
            let fault = HeadFault::Early;
            return refuse(fault, reading, writing, &conn, &calm, &connection).await;
        }
        head.request.headers_mut().insert(EARLY_DATA, HeaderValue::from_static("1"));
    }
    let method = head.request.method().clone();
    let expects = expects_continue(head.request.headers());
    let mut switch = None;
    if method == Method::CONNECT
        && let Some((made, on_upgrade)) = Switch::new()
    {
        head.request.extensions_mut().insert(on_upgrade);
        switch = Some(made);
    }
    // Most requests have no body, and their end has come with their head.
    let ended = poll_fn(|cx| Poll::Ready(reading.has_ended(cx))).await;
    let (mut answer, told) = begin(head, reading, &conn, &calm, ended, &exchanges);
    // What a tunnel carries is not thrown away: the handler may read it elsewhere.
    let mut discard = told
        .as_ref()
        .filter(|_| method != Method::CONNECT)
        .map(|told| Discard::new(Arc::clone(told), config.http3.max_drain_bytes));
    let Some(response) = respond(&mut answer, &mut writing, told.as_deref(), expects).await else {
        return calm.count_reset();
    };
    drop(answer);
    if expects && told.as_deref().is_some_and(|told| !told.wants_body()) {
        // RFC 9110 10.1.1: it was never asked for the body.
        discard = None;
    }
    let (parts, body) = response.into_parts();
    let (status, mut headers) = (parts.status, parts.headers);
    let declared = complete(status, &mut headers, &body, &method, &connection);
    writing.response(status, &headers);
    drop(headers);
    if status.is_success()
        && body.is_end_stream()
        && let (Some(switch), Some(told)) = (switch, &told)
    {
        drop(body);
        return hand_out(switch, told, writing, conn, &connection).await;
    }
    let sent = match &told {
        // A request that turns out to be malformed while its response is sent.
        Some(told) => {
            let mut sending = std::pin::pin!(leaving::send(&mut writing, body, declared));
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
        None => Ok(leaving::send(&mut writing, body, declared).await),
    };
    match sent {
        Ok(Ok(())) => calm.count_answer(),
        Ok(Err(cut)) => {
            match cut {
                Cut::Late => connection.count_timed_out(),
                Cut::Gone => calm.count_reset(),
                Cut::Body => {}
            }
            return writing.cancel(cut.code());
        }
        Err(code) => return writing.cancel(code),
    }
    if let Some(discard) = discard {
        discard.rest(config.linger_timeout).await;
    }
    if connection.is_draining() {
        // The connection is closed when nothing is under way, and nothing must be lost with it.
        arrive(&mut writing, config).await;
    }
}

/// Whether the client is known to be there by now. Then what came early is no replay (RFC 8470
/// section 3); and what a network library only takes for early, for the two came at once, is not
/// refused.
async fn has_shaken_hands(conn: &dyn StreamConn) -> bool {
    let mut handshake = conn.handshake_complete();
    poll_fn(|cx| Poll::Ready(handshake.as_mut().poll(cx).is_ready())).await
}

/// Gives a request to the service.
fn begin<S: HttpService>(
    head: Head,
    mut reading: Reading,
    conn: &Arc<dyn StreamConn>,
    calm: &Arc<Calm>,
    ended: bool,
    exchanges: &Exchanges<S>,
) -> (Answer<S>, Option<Arc<Told>>) {
    let Head { request, content_length } = head;
    let is_tunnel = request.method() == Method::CONNECT;
    if ended && !is_tunnel && content_length.is_none_or(|length| length == 0) {
        return (exchanges.answer(request.map(|()| Body::empty())), None);
    }
    reading.promise(content_length);
    let told = Arc::<Told>::default();
    let (conn, calm) = (Arc::clone(conn), Arc::clone(calm));
    let body = match is_tunnel {
        // Whoever asks for it first has it: the body, or the upgraded connection.
        true => Arriving::left(conn, reading, calm, Arc::clone(&told)),
        false => Arriving::new(conn, reading, calm, Arc::clone(&told)),
    };
    (exchanges.answer(request.map(|()| body)), Some(told))
}

/// Gives a request's stream to whoever waits for the upgrade, and stays until it is given up.
async fn hand_out(
    switch: Switch,
    told: &Told,
    mut writing: Writing,
    conn: Arc<dyn StreamConn>,
    exchanges: &Exchanges<()>,
) {
    if let Err(error) = poll_fn(|cx| writing.poll_flush(cx)).await {
        return writing.cancel(Cut::from(error).code());
    }
    // Whoever has the body keeps it.
    let reading = poll_fn(|cx| {
        if let Poll::Ready(reading) = told.poll_unread(cx) {
            return Poll::Ready(Some(reading));
        }
        writing.poll_stopped(cx).map(|_| None)
    });
    let Some(reading) = reading.await else { return };
    let ended = switch.open(Tunnel { conn, reading, writing, _guard: None }).await;
    if let Ok(mut writing) = ended.await
        && exchanges.is_draining()
    {
        arrive(&mut writing, exchanges.config()).await;
    }
}

/// Waits for the service's response. `None`: the request is over without one.
async fn respond<S: HttpService>(
    answer: &mut Answer<S>,
    writing: &mut Writing,
    told: Option<&Told>,
    mut expects: bool,
) -> Option<Response<AnswerBody<S::ResponseBody>>> {
    poll_fn(|cx| {
        let polled = Pin::new(&mut *answer).poll(cx);
        // A malformed request goes before what the handler makes of it.
        if let Some(told) = told
            && let Poll::Ready(code) = told.poll_broken(cx)
        {
            writing.cancel(code);
            return Poll::Ready(None);
        }
        if let Poll::Ready(response) = polled {
            return Poll::Ready(Some(response));
        }
        if expects && told.is_some_and(Told::wants_body) {
            // RFC 9110 10.1.1.
            expects = false;
            writing.response(StatusCode::CONTINUE, &HeaderMap::new());
        }
        if matches!(writing.poll_flush(cx), Poll::Ready(Err(_)))
            || writing.poll_stopped(cx).is_ready()
        {
            writing.cancel(code::REQUEST_CANCELLED);
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
    method: &Method,
    exchanges: &Exchanges<()>,
) -> Option<u64> {
    headers.entry(header::DATE).or_insert_with(|| exchanges.date());
    if *method == Method::CONNECT && status.is_success() {
        // RFC 9110 9.3.6: what follows is a tunnel.
        headers.remove(header::CONTENT_LENGTH);
        return None;
    }
    // RFC 9110 8.6: these have none of their own.
    let has_no_body = *method == Method::HEAD
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
async fn arrive(writing: &mut Writing, config: &ServerConfig) {
    let stopped = poll_fn(|cx| writing.poll_stopped(cx));
    match config.write_timeout {
        Some(timeout) => drop(tokio::time::timeout(timeout, stopped).await),
        None => drop(stopped.await),
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

async fn read_head(
    reading: &mut Reading,
    calm: &Calm,
    config: &ServerConfig,
) -> Result<Head, HeadFault> {
    let mut timer = Deadline::default();
    let mut is_timed = false;
    let frame = poll_fn(|cx| {
        let polled = reading.poll_frame(cx);
        calm.count_frames(reading.take_passed());
        if let Poll::Ready(frame) = polled {
            return Poll::Ready(Some(frame));
        }
        if !std::mem::replace(&mut is_timed, true) {
            timer.set(config.header_timeout.map(|timeout| Instant::now() + timeout));
        }
        // By the connection's task first, and by its own then.
        timer.poll_passed_for(cx).map(|()| None)
    });
    let payload = match frame.await {
        Some(Ok(Some(Frame::Other { kind: frames::HEADERS, payload }))) => payload,
        Some(Ok(Some(_))) => {
            let text = "a request begins with another frame than its head";
            return Err(HeadFault::OfConnection(code::FRAME_UNEXPECTED, text));
        }
        Some(Ok(None)) => return Err(HeadFault::Incomplete),
        Some(Err(ReadFault::Frames(FrameFault::TooLong))) => return Err(HeadFault::TooLarge),
        Some(Err(fault)) => {
            return Err(match fault.ends() {
                Ends::Connection(code) => HeadFault::OfConnection(code, fault.text()),
                Ends::Message(_) | Ends::Nothing => HeadFault::Gone,
            });
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
    mut reading: Reading,
    mut writing: Writing,
    conn: &Arc<dyn StreamConn>,
    calm: &Calm,
    exchanges: &Exchanges<()>,
) {
    let status = match fault {
        HeadFault::Gone => {
            calm.count_reset();
            return writing.cancel(code::REQUEST_CANCELLED);
        }
        HeadFault::Incomplete => return writing.cancel(code::REQUEST_INCOMPLETE),
        HeadFault::OfConnection(code, text) => {
            exchanges.count_rejected();
            return conn.close_with_error(code, text.as_bytes());
        }
        HeadFault::Malformed => {
            // RFC 9114 4.1.2.
            exchanges.count_rejected();
            reading.cancel(code::MESSAGE_ERROR);
            return writing.cancel(code::MESSAGE_ERROR);
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
    writing.response(status, &headers);
    if let Err(error) = poll_fn(|cx| writing.poll_end(cx)).await {
        writing.cancel(Cut::from(error).code());
    }
    // What still comes of the request is of no use, which is no fault.
    reading.cancel(code::NO_ERROR);
}
