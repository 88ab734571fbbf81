//! Sending a response, while the rest of the request may still come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use dipole_net::ConnExt;
use http::response::Parts;
use http::{StatusCode, Version, header};
use http_body::Body as HttpBody;

use super::connection::{Connection, Stage};
use super::exchange::{Asked, Kind};
use super::request_body::RequestBody;
use super::stop::{Stop, Timeout};
use crate::h1::body_writer::BodyWriter;
use crate::h1::codec::encode::{Framing, OwnFields, Persistence, ResponseEncoder, Start};
use crate::server::{Memory, Phase};

impl Connection {
    /// Queues the response's head, and says how its body is sent. Settles whether the connection
    /// goes on.
    #[inline]
    pub(super) fn begin_response<B: HttpBody>(
        &mut self,
        head: &mut Parts,
        body: &B,
        asked: &mut Asked,
        incoming: &mut RequestBody,
    ) -> Result<BodyWriter, Stop> {
        incoming.settle_continue(self);
        if let Some(alt_svc) = self.worker.alt_svc()
            && self.conn.tls().is_some()
        {
            head.headers.entry(header::ALT_SVC).or_insert_with(|| alt_svc.clone());
        }
        let now = self.now();
        let (status, headers) = (head.status, &head.headers);
        let writer = self.worker.with_memory(|Memory { date, answers, .. }| {
            let date = date.line(now);
            let known = answers.find(status, headers, date);
            let own = known.map_or_else(|| OwnFields::of(headers), |known| known.own);
            let (framing, writer) = framing(status, body, own, asked)?;
            asked.keep_alive = asked.keep_alive
                && !own.close
                && !matches!(writer, BodyWriter::UntilClose)
                && incoming.can_be_drained()
                && self.worker.registry.phase() == Phase::Serving;
            let persistence = match (asked.keep_alive, asked.version) {
                (false, _) => Persistence::Close,
                // RFC 9112 9.3: an HTTP/1.0 client is told that its wish is met.
                (true, Version::HTTP_10) => Persistence::KeepAlive,
                (true, _) => Persistence::Unsaid,
            };
            if let Some(whole) = known.and_then(|known| known.whole(framing, persistence)) {
                self.conn.put(whole);
                return Ok(writer);
            }
            let start = match known {
                Some(known) => Start::Known(known.start()),
                None => Start::new(status, headers, own, date),
            };
            let encoder = ResponseEncoder::new(start, framing, persistence);
            let text = self.conn.malloc(encoder.encoded_len());
            encoder.encode(text);
            if known.is_none() {
                let text = (&*text, encoder.start_len());
                answers.note(status, headers, own, text, (framing, persistence));
            }
            Ok::<_, Stop>(writer)
        })?;
        self.stage = Stage::Responding;
        Ok(writer)
    }

    /// Queues the body as it comes; sends when it has to wait for more, or when enough is queued.
    pub(super) fn poll_body<B: HttpBody>(
        &mut self,
        mut body: Pin<&mut B>,
        writer: &mut BodyWriter,
        incoming: &mut RequestBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stop>> {
        loop {
            while self.conn.queued() < self.max_queued() || self.poll_send(cx)?.is_ready() {
                incoming.renew_demand(cx);
                match body.as_mut().poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        writer.write(&mut *self.conn, frame).map_err(|()| Stop::CutShort)?;
                        if writer.is_whole() {
                            self.stage = Stage::Between;
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Poll::Ready(Some(Err(_))) => {
                        tracing::error!("a response's body failed before its end");
                        return Poll::Ready(Err(Stop::CutShort));
                    }
                    Poll::Ready(None) => {
                        writer.end(&mut *self.conn).map_err(|()| Stop::CutShort)?;
                        self.stage = Stage::Between;
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => {
                        let _ = self.poll_send(cx)?;
                        break;
                    }
                }
            }
            // A handler may go on reading the request while it answers. A fault of the request
            // then reaches it as the error of the body that it reads, for the answer has begun.
            match incoming.poll_pump(self, cx) {
                Poll::Ready(Err(Stop::ClientGone(error))) if !self.finishes_handlers() => {
                    return Poll::Ready(Err(Stop::ClientGone(error)));
                }
                // What was given is seen by its reader at once.
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
        if self.conn.queued() == 0
            && let Poll::Ready(error) = self.poll_client_gone(cx)
        {
            return Poll::Ready(Err(Stop::ClientGone(error)));
        }
        match ready!(self.poll_timeout(cx, incoming.deadline(), Timeout::Body)) {
            stop @ Stop::TimedOut(Timeout::Body) => {
                incoming.lose(&stop, cx);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            stop => Poll::Ready(Err(stop)),
        }
    }

    /// Gives what is still to come of the request's body to whoever still reads it, and throws
    /// away the rest, so that the next request is found; false when that takes too much.
    pub(super) fn poll_drain(
        &mut self,
        incoming: &mut RequestBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Stop>> {
        if self.conn.queued() > 0 {
            ready!(self.poll_flush(cx))?;
        }
        while let Poll::Ready(given) = incoming.poll_pump(self, cx) {
            match given {
                Ok(()) => {}
                Err(Stop::ClientGone(error)) => {
                    return Poll::Ready(Err(Stop::ClientGone(error)));
                }
                // Its reader knows; the client has had its answer.
                Err(_) => return Poll::Ready(Ok(false)),
            }
        }
        if incoming.has_reader() {
            if let Poll::Ready(error) = self.poll_client_gone(cx) {
                return Poll::Ready(Err(Stop::ClientGone(error)));
            }
            let stop = ready!(self.poll_timeout(cx, incoming.deadline(), Timeout::Body));
            incoming.lose(&stop, cx);
            return Poll::Ready(Ok(false));
        }
        if let Poll::Ready(is_drained) = incoming.poll_drain(self, cx) {
            return Poll::Ready(Ok(is_drained));
        }
        // The answer has been sent already: there is nothing to tell the client.
        self.poll_timeout(cx, incoming.drain_deadline(), Timeout::Body).map(|_| Ok(false))
    }
}

/// How the end of the response's body is told (RFC 9112 section 6.3).
fn framing<B: HttpBody>(
    status: StatusCode,
    body: &B,
    own: OwnFields,
    asked: &Asked,
) -> Result<(Framing, BodyWriter), Stop> {
    if status.is_informational() || (asked.kind == Kind::Connect && status.is_success()) {
        tracing::error!(%status, "a response that switches protocols is not supported");
        return Err(Stop::Failed);
    }
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok((Framing::Unsaid, BodyWriter::Nothing));
    }
    let exact = body.size_hint().exact();
    if asked.kind == Kind::Head {
        // RFC 9110 9.3.2: the fields are those of a GET, as far as they are known.
        let length = own.content_length.or(exact.filter(|&exact| exact > 0));
        return Ok((length.map_or(Framing::Unsaid, Framing::Length), BodyWriter::Nothing));
    }
    Ok(match (exact.or(own.content_length), asked.version) {
        (Some(length), _) => (Framing::Length(length), BodyWriter::Length(length)),
        (None, Version::HTTP_10) => (Framing::Unsaid, BodyWriter::UntilClose),
        (None, _) => (Framing::Chunked, BodyWriter::Chunked),
    })
}
