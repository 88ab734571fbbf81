//! One request out, one response head in.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use dipole_net::ErrorKind;
use http::{Method, Response, StatusCode, header};

use super::fault::{Fault, FaultKind};
use super::link::{Link, Reserved};
use super::receiving::Receiving;
use super::request::Head;
use super::upload::{Behind, Sent, Upload};
use crate::Body;
use crate::h1::client::{Limits, Patience, Sending};
use crate::h1::codec::encode::Framing;
use crate::h2::client::{Question, Repeat};
use crate::h3::codec::code;
use crate::h3::codec::fields;
use crate::h3::codec::frames::{self, Frame};
use crate::h3::codec::response::{self, ResponseHead};
use crate::h3::reading::{ReadFault, Reading};
use crate::h3::upgrade::{Switch, Tunnel};
use crate::h3::writing::Writing;

/// How many interim responses (1xx) may come before the final one.
const MAX_INTERIM: usize = 32;

/// Whether a request may go out before the handshake has ended, where all else allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Early {
    May,
    /// It was answered with 425 (Too Early).
    MayNot,
}

/// How a request is sent, and what is made of its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    /// The alternative that it goes to (RFC 7838 section 5).
    pub(crate) alt_used: Option<&'a str>,
    pub(crate) early: Early,
    /// Statuses by which a server says that it has not looked at it.
    pub(crate) refusals: &'a [StatusCode],
}

/// Sends a request on the stream that is reserved for it, and waits for the response's head. What
/// is left of the request then goes on while the response's body is read. `reserved` is dropped
/// when both have ended.
///
/// Where there is no response, `sending` is as it was, for another try; a response with a status of
/// `refusals` is none (`FaultKind::Refused`) where the request can be sent again.
pub(crate) async fn exchange(
    mut reserved: Reserved,
    question: &Question<'_>,
    Manner { alt_used, early, refusals }: Manner<'_>,
    sending: &mut Sending,
) -> Result<Response<Body>, Fault> {
    let limits = question.ask.limits;
    let method = question.ask.method;
    let link = reserved.link().clone();
    let head = Head::of(question, sending.framing(), alt_used)?;
    let has_body = sending.framing() != Framing::Unsaid;
    if early == Early::MayNot || has_body || !method.is_safe() {
        link.established().await.map_err(Fault::of)?;
    }
    if question.protocol().is_some() {
        takes_tunnels(&link, limits).await?;
    }
    let Some(stream) = reserved.take_stream() else {
        // It is taken once.
        return Err(Fault::unprocessed(ErrorKind::Closed.into()));
    };
    let mut writing = Writing::new(stream.send, link.options().write_timeout);
    let longest = link.options().max_head_bytes;
    let mut reading = Reading::new(stream.receive, longest, code::REQUEST_CANCELLED);
    let most = link.settings().and_then(|settings| settings.max_field_section);
    if most.is_some_and(|most| head.lines().size(&head.fields) > most) {
        return Err(Fault::new(FaultKind::RequestTooLarge));
    }
    writing.request(&head.lines(), &head.fields);
    let awaits_consent = has_body
        && head
            .fields
            .get_all(header::EXPECT)
            .iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    drop(head);
    let consent = awaits_consent.then(|| Patience::new(Some(limits.continue_timeout)));
    let behind = match *method == Method::CONNECT && !has_body {
        true => Behind::Tunnel,
        false => Behind::Body,
    };
    let id = writing.id();
    let mut progress = Progress {
        upload: Upload::new(writing, sending, behind),
        consent,
        is_sent: false,
        patience: Patience::new(limits.response_timeout),
    };
    let came = receive_head(&link, &mut reading, &mut progress, id, limits).await;
    let checked = came.and_then(|came| check(came, method, limits));
    let (mut response, promised) = match checked {
        Ok(checked) => checked,
        Err(fault) => {
            progress.upload.take_back(sending);
            return Err(fault);
        }
    };
    if refusals.contains(&response.status()) && progress.upload.can_rewind() {
        progress.upload.take_back(sending);
        return Err(Fault::new(FaultKind::Refused(response.status())));
    }
    if question.ask.wants_report {
        response.extensions_mut().insert(link.report().clone());
    }
    let Progress { mut upload, consent, is_sent, .. } = progress;
    if behind == Behind::Tunnel {
        if response.status().is_success() {
            return tunnel(response, reading, upload, reserved).await;
        }
        upload.end();
    }
    if consent.is_some() {
        // The server has answered without having asked for the body.
        upload.give_up();
    }
    reading.promise(promised);
    let has_ended = poll_fn(|cx| Poll::Ready(reading.has_ended(cx))).await;
    if has_ended && is_sent && promised.unwrap_or(0) == 0 {
        return Ok(response.map(|()| Body::empty()));
    }
    let receiving = Receiving::new(reading, upload, reserved, limits);
    Ok(response.map(|()| Body::new(receiving)))
}

/// RFC 9220 section 3: nobody is sent an extended CONNECT who has not said that they take it.
async fn takes_tunnels(link: &Link, limits: &Limits) -> Result<(), Fault> {
    let settings = link.known_settings();
    let settings = match limits.response_timeout {
        None => settings.await,
        Some(limit) => match tokio::time::timeout(limit, settings).await {
            Ok(settings) => settings,
            Err(_) => return Err(Fault::new(FaultKind::TimedOut)),
        },
    };
    match settings {
        Some(settings) if settings.extended_connect => Ok(()),
        Some(_) => {
            let fault = Fault::new(FaultKind::NoTunnels);
            Err(Fault { repeat: Repeat::Any, falls_back: true, ..fault })
        }
        None => Err(Fault::unprocessed(ErrorKind::Closed.into())),
    }
}

/// Waits for the final response's head, and sends the request meanwhile.
async fn receive_head(
    link: &Link,
    reading: &mut Reading,
    progress: &mut Progress,
    id: u64,
    limits: &Limits,
) -> Result<ResponseHead, Fault> {
    let mut turned_away = pin!(link.turned_away(id));
    let mut interim = 0;
    poll_fn(|cx| {
        loop {
            let Poll::Ready(frame) = reading.poll_frame(cx) else { break };
            let head = match head_of(frame, limits.head.max_head_bytes) {
                Ok(head) => head,
                Err(fault) => {
                    return Poll::Ready(Err(Fault::of_reading(fault, reading, &**link.conn())));
                }
            };
            if !head.response.status().is_informational() {
                return Poll::Ready(Ok(head));
            }
            progress.consent = None;
            interim += 1;
            if interim > MAX_INTERIM {
                return Poll::Ready(Err(Fault::new(FaultKind::TooManyInterim)));
            }
        }
        if turned_away.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Fault::unprocessed(ErrorKind::Closed.into())));
        }
        progress.poll(cx).map(Err)
    })
    .await
}

/// The head in what came on the stream.
fn head_of(
    frame: Result<Option<Frame>, ReadFault>,
    limit: usize,
) -> Result<ResponseHead, ReadFault> {
    let payload = match frame? {
        Some(Frame::Other { kind: frames::HEADERS, payload }) => payload,
        Some(Frame::Other { kind, .. }) => return Err(ReadFault::Unexpected(kind)),
        Some(Frame::Data(_)) => return Err(ReadFault::Unexpected(frames::DATA)),
        None => return Err(ReadFault::Shorter),
    };
    Ok(response::read(fields::decode(&payload, limit)?)?)
}

/// A response that agrees to a tunnel; `hyper::upgrade::on` gives it.
async fn tunnel(
    mut response: Response<()>,
    reading: Reading,
    upload: Upload,
    reserved: Reserved,
) -> Result<Response<Body>, Fault> {
    let conn = reserved.link().conn().clone();
    let (Some(writing), Some((switch, on_upgrade))) = (upload.into_tunnel(), Switch::new()) else {
        return Err(Fault::new(FaultKind::Connection(ErrorKind::Closed.into())));
    };
    response.extensions_mut().insert(on_upgrade);
    drop(switch.open(Tunnel { conn, reading, writing, _guard: Some(Box::new(reserved)) }).await);
    Ok(response.map(|()| Body::empty()))
}

/// The sending of a request, as far as its response is waited for.
struct Progress {
    upload: Upload,
    /// While the server's consent is waited for (RFC 9110 section 10.1.1).
    consent: Option<Patience>,
    is_sent: bool,
    patience: Patience,
}

impl Progress {
    /// Ready when there will be no response.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fault> {
        if let Some(consent) = &mut self.consent {
            if let Poll::Ready(Some(Sent::TimedOut)) = self.upload.poll_head(cx) {
                return Poll::Ready(Fault::new(FaultKind::WriteTimedOut));
            }
            if consent.poll_over(cx).is_pending() {
                return Poll::Pending;
            }
            self.consent = None;
        }
        match self.upload.poll(cx) {
            Poll::Pending if self.upload.awaits_response() => {}
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Sent::TimedOut)) => {
                return Poll::Ready(Fault::new(FaultKind::WriteTimedOut));
            }
            Poll::Ready(Some(Sent::Body(error))) => {
                return Poll::Ready(Fault::new(FaultKind::Body(error)));
            }
            Poll::Ready(Some(Sent::Length)) => {
                return Poll::Ready(Fault::new(FaultKind::BodyLength));
            }
            Poll::Ready(Some(Sent::NotWanted(error))) => {
                self.is_sent = true;
                // Those may come without a reset of the response.
                let fault = Fault::of(error);
                if fault.repeat == Repeat::Any {
                    return Poll::Ready(fault);
                }
            }
            Poll::Ready(Some(Sent::Whole) | None) => self.is_sent = true,
        }
        self.patience.poll_over(cx).map(|()| Fault::new(FaultKind::TimedOut))
    }
}

/// What a response's head promises of its body, in bytes; `None` when it does not say.
fn check(
    head: ResponseHead,
    method: &Method,
    limits: &Limits,
) -> Result<(Response<()>, Option<u64>), Fault> {
    let ResponseHead { response, content_length } = head;
    if response.headers().len() > limits.head.max_fields {
        return Err(Fault::new(FaultKind::TooManyFields));
    }
    // RFC 9110 6.4.1: these have no body, whatever length they say.
    let is_bodiless = *method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let promised = match (is_bodiless, *method == Method::CONNECT) {
        (true, _) => Some(0),
        (false, true) if response.status().is_success() => None,
        (false, _) => content_length,
    };
    Ok((response, promised))
}
