//! One request out, one response head in.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Buf;
use dipole_net::ErrorKind;
use http::{Method, Response, StatusCode, header};

use super::fault::{Fault, FaultKind};
use super::link::Reserved;
use super::receiving::{Ahead, ReceiveHalf, Receiving};
use super::request::head;
use super::upload::{Sent, Upload};
use crate::Body;
use crate::h1::client::{Limits, Patience, Sending};
use crate::h1::codec::encode::Framing;
use crate::h2::client::Question;

/// How many interim responses (1xx) may come before the final one.
const MAX_INTERIM: usize = 32;

/// Sends a request on the stream that is reserved for it, and waits for the response's head. What
/// is left of the request then goes on while the response's body is read. `reserved` is dropped
/// when both have ended.
///
/// Where there is no response, `sending` is as it was, for another try.
pub(crate) async fn exchange(
    mut reserved: Reserved,
    question: &Question<'_>,
    alt_used: Option<&str>,
    sending: &mut Sending,
) -> Result<Response<Body>, Fault> {
    let limits = question.ask.limits;
    let request = head(question, sending.framing(), alt_used)?;
    let awaits_consent = sending.framing() != Framing::Unsaid
        && request
            .headers()
            .get_all(header::EXPECT)
            .iter()
            .any(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let link = reserved.link().clone();
    let write_timeout = link.options().write_timeout;
    let mut sender = link.sender(&mut reserved);
    let sent = match write_timeout {
        None => sender.send_request(request).await,
        Some(limit) => match tokio::time::timeout(limit, sender.send_request(request)).await {
            Ok(sent) => sent,
            Err(_) => return Err(Fault::new(FaultKind::WriteTimedOut)),
        },
    };
    let stream = sent.map_err(|error| Fault::of_sending(&error, &link))?;
    let (send_half, mut receive_half) = stream.split();
    let id = receive_half.id().into_inner();
    let consent = awaits_consent.then(|| Patience::new(Some(limits.continue_timeout)));
    let mut progress = Progress {
        upload: Upload::new(send_half, sending, write_timeout),
        consent,
        is_sent: false,
        patience: Patience::new(limits.response_timeout),
    };
    let outcome = {
        let mut turned_away = pin!(link.turned_away(id));
        let mut responses = Responses { half: &mut receive_half, interim: 0 };
        loop {
            let mut next = pin!(responses.next());
            let came = poll_fn(|cx| {
                if let Poll::Ready(came) = next.as_mut().poll(cx) {
                    return Poll::Ready(Ok(came));
                }
                if turned_away.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Err(Fault::unprocessed(ErrorKind::Closed.into())));
                }
                progress.poll(cx).map(Err)
            });
            match came.await {
                Err(fault) => break Err(fault),
                Ok(Err(Interim::Error(error))) => break Err(Fault::of(&error, &link)),
                Ok(Err(Interim::TooMany)) => break Err(Fault::new(FaultKind::TooManyInterim)),
                // RFC 9114 4.5.
                Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    let text = "a switch of protocols, which HTTP/3 has none of";
                    break Err(Fault::new(FaultKind::Malformed(text.into())));
                }
                Ok(Ok(response)) if response.status().is_informational() => {
                    progress.consent = None;
                }
                Ok(Ok(response)) => break Ok(response),
            }
        }
    };
    let (response, promised) = match outcome.and_then(|response| check(response, question)) {
        Ok(response) => response,
        Err(fault) => {
            progress.upload.take_back(sending);
            return Err(fault);
        }
    };
    let mut response = response;
    if question.ask.wants_report {
        response.extensions_mut().insert(link.report().clone());
    }
    let mut upload = progress.upload;
    let is_sent = progress.is_sent;
    if progress.consent.is_some() {
        // The server has answered without having asked for the body.
        upload.give_up();
    }
    let ahead = poll_fn(|cx| Poll::Ready(ahead(&mut receive_half, cx))).await;
    if matches!(ahead, Ahead::End) && is_sent && promised.unwrap_or(0) == 0 {
        return Ok(response.map(|()| Body::empty()));
    }
    let receiving = Receiving::new(receive_half, ahead, upload, reserved, promised, limits);
    Ok(response.map(|()| Body::new(receiving)))
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
            if consent.poll_over(cx).is_pending() {
                return Poll::Pending;
            }
            self.consent = None;
        }
        match self.upload.poll(cx) {
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
            Poll::Ready(Some(Sent::Whole | Sent::NotWanted) | None) => self.is_sent = true,
        }
        self.patience.poll_over(cx).map(|()| Fault::new(FaultKind::TimedOut))
    }
}

/// The heads of a stream, interim and final.
struct Responses<'a> {
    half: &'a mut ReceiveHalf,
    interim: usize,
}

enum Interim {
    Error(h3::error::StreamError),
    TooMany,
}

impl Responses<'_> {
    async fn next(&mut self) -> Result<Response<()>, Interim> {
        let response = self.half.recv_response().await.map_err(Interim::Error)?;
        if response.status().is_informational() {
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Interim::TooMany);
            }
        }
        Ok(response)
    }
}

/// What a response's head promises of its body, in bytes; `None` when it does not say.
fn check(
    response: Response<()>,
    question: &Question<'_>,
) -> Result<(Response<()>, Option<u64>), Fault> {
    let Limits { head, .. } = question.ask.limits;
    if response.headers().len() > head.max_fields {
        return Err(Fault::new(FaultKind::TooManyFields));
    }
    // RFC 9110 6.4.1: these have no body, whatever length they say.
    let is_bodiless = *question.ask.method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let mut promised = None;
    for value in response.headers().get_all(header::CONTENT_LENGTH) {
        let length = std::str::from_utf8(value.as_bytes())
            .ok()
            .filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()));
        let length = length.and_then(|text| text.parse::<u64>().ok());
        if length.is_none() || promised.is_some_and(|before| Some(before) != length) {
            // RFC 9110 8.6.
            let text = "a content-length that is none";
            return Err(Fault::new(FaultKind::Malformed(text.into())));
        }
        promised = length;
    }
    Ok((response, if is_bodiless { Some(0) } else { promised }))
}

/// What is there already of a body.
fn ahead(half: &mut ReceiveHalf, cx: &mut Context<'_>) -> Ahead {
    match half.poll_recv_data(cx) {
        Poll::Pending => Ahead::Nothing,
        Poll::Ready(Ok(Some(mut data))) => Ahead::Data(data.copy_to_bytes(data.remaining())),
        Poll::Ready(Ok(None)) => match half.poll_recv_trailers(cx) {
            Poll::Ready(Ok(None)) => Ahead::End,
            Poll::Ready(Ok(Some(trailers))) => Ahead::Trailers(trailers),
            Poll::Ready(Err(error)) => Ahead::Error(error),
            Poll::Pending => Ahead::AllData,
        },
        Poll::Ready(Err(error)) => Ahead::Error(error),
    }
}
