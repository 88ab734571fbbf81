//! One request and its response.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, StatusCode, Version, response};
use http_body::Body as HttpBody;

use super::After;
use super::connection::Connection;
use super::request_body::RequestBody;
use super::stop::{Stop, Timeout};
use crate::h1::body_writer::BodyWriter;
use crate::h1::codec::encode::{Framing, OwnFields, Persistence, ResponseEncoder};
use crate::h1::codec::request::RequestHead;
use crate::server::Phase;
use crate::HttpService;

/// What of a request its response depends on.
struct Asked {
    method: Method,
    version: Version,
    keep_alive: bool,
}

impl Connection {
    /// Gives a request to the service and queues its response, sending as much of it as the rules
    /// of one flush a batch ask for.
    pub(super) async fn exchange<S: HttpService>(
        &mut self,
        service: &mut S,
        head: RequestHead,
    ) -> Result<After, Stop> {
        let limits = self.head_limits();
        let config = &self.worker.config;
        let is_last = config.max_requests_per_connection.is_some_and(|most| self.requests >= most);
        let asked = Asked {
            method: head.method.clone(),
            version: head.version,
            keep_alive: head.keep_alive && !is_last,
        };
        let (mut incoming, body) = RequestBody::new(self, &head, &limits)?;
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers;
        if self.worker.hooks.exposes_connection_info
            && let Some(info) = &self.info
        {
            request.extensions_mut().insert(info.clone());
        }
        let response = self.call(service, request, &mut incoming).await?;
        self.respond(response, &asked, &mut incoming).await
    }

    async fn respond<B>(
        &mut self,
        response: Response<B>,
        asked: &Asked,
        incoming: &mut RequestBody,
    ) -> Result<After, Stop>
    where
        B: HttpBody,
    {
        let (parts, body) = response.into_parts();
        let mut body = pin!(body);
        let own = OwnFields::of(&parts.headers);
        let frame = framed(&parts, own, &*body, asked)?;
        let keeps_alive = asked.keep_alive
            && !own.close
            && !matches!(frame.body, BodyWriter::UntilClose)
            && incoming.can_be_drained()
            && self.worker.registry.phase() == Phase::Serving;
        let persistence = match (keeps_alive, asked.version) {
            (false, _) => Persistence::Close,
            // RFC 9112 9.3: an HTTP/1.0 client is told that its wish is met.
            (true, Version::HTTP_10) => Persistence::KeepAlive,
            (true, _) => Persistence::Unsaid,
        };
        let now = self.now();
        let date = (!own.has_date).then(|| self.worker.date(now));
        let head = ResponseEncoder::new(
            parts.status,
            &parts.headers,
            frame.head,
            persistence,
            date.as_ref(),
        );
        head.encode(self.conn.malloc(head.encoded_len()));

        let mut writer = frame.body;
        if writer.expects_more() {
            self.send_body(body.as_mut(), &mut writer, incoming).await?;
        }
        if !keeps_alive {
            return Ok(After::Linger);
        }
        self.drain(incoming).await
    }

    /// Queues the body as it comes; sends when it has to wait for more, or when enough is queued.
    async fn send_body<B: HttpBody>(
        &mut self,
        mut body: Pin<&mut B>,
        writer: &mut BodyWriter,
        incoming: &mut RequestBody,
    ) -> Result<(), Stop> {
        poll_fn(|cx| {
            loop {
                if self.conn.queued() >= self.worker.config.max_queued_bytes
                    && let Poll::Pending = self.poll_send(cx)?
                {
                    break;
                }
                match poll_guarded_frame(body.as_mut(), cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        writer.write(&mut *self.conn, frame).map_err(|()| Stop::CutShort)?;
                        if writer.is_whole() {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Poll::Ready(Some(Err(()))) => return Poll::Ready(Err(Stop::CutShort)),
                    Poll::Ready(None) => {
                        let ended = writer.end(&mut *self.conn).map_err(|()| Stop::CutShort);
                        return Poll::Ready(ended);
                    }
                    Poll::Pending => {
                        let _ = self.poll_send(cx)?;
                        break;
                    }
                }
            }
            // A handler may go on reading the request while it answers. A fault of the request
            // then reaches it as the error of the body that it reads; the answer has begun.
            while let Poll::Ready(given) = incoming.poll_pump(self, cx) {
                if let Err(Stop::ClientGone(error)) = given {
                    return Poll::Ready(Err(Stop::ClientGone(error)));
                }
            }
            if self.conn.queued() == 0
                && incoming.is_done()
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
        })
        .await
    }

    /// Reads what the handler has left of the request's body, so that the next request is found.
    async fn drain(&mut self, incoming: &mut RequestBody) -> Result<After, Stop> {
        if incoming.is_done() {
            return Ok(After::Wait);
        }
        self.flush().await?;
        let is_drained = poll_fn(|cx| {
            if let Poll::Ready(is_drained) = incoming.poll_drain(self, cx) {
                return Poll::Ready(is_drained);
            }
            // The answer has been sent already: there is nothing to tell the client.
            self.poll_timeout(cx, incoming.deadline(), Timeout::Body).map(|_| false)
        })
        .await;
        Ok(if is_drained { After::Wait } else { After::Linger })
    }
}

/// What the head says of the body, and how the body is written.
struct Framed {
    head: Framing,
    body: BodyWriter,
}

/// How the end of the response's body is told (RFC 9112 section 6.3).
fn framed<B: HttpBody>(
    parts: &response::Parts,
    own: OwnFields,
    body: &B,
    asked: &Asked,
) -> Result<Framed, Stop> {
    let status = parts.status;
    if status.is_informational() || (asked.method == Method::CONNECT && status.is_success()) {
        tracing::error!(%status, "a response that switches protocols is not supported");
        return Err(Stop::Failed);
    }
    let exact = body.size_hint().exact();
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(Framed { head: Framing::Unsaid, body: BodyWriter::Nothing });
    }
    if asked.method == Method::HEAD {
        // RFC 9110 9.3.2: the fields are those of a GET, as far as they are known.
        let length = own.content_length.or(exact.filter(|&exact| exact > 0));
        let head = length.map_or(Framing::Unsaid, Framing::Length);
        return Ok(Framed { head, body: BodyWriter::Nothing });
    }
    let length = exact.or(own.content_length);
    Ok(match (length, asked.version) {
        (Some(length), _) => {
            Framed { head: Framing::Length(length), body: BodyWriter::Length(length) }
        }
        (None, Version::HTTP_10) => Framed { head: Framing::Unsaid, body: BodyWriter::UntilClose },
        (None, _) => Framed { head: Framing::Chunked, body: BodyWriter::Chunked },
    })
}

/// Polls a response's body; its panic is as its error, and both are logged.
fn poll_guarded_frame<B: HttpBody>(
    body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<http_body::Frame<B::Data>, ()>>> {
    match catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx))) {
        Ok(Poll::Ready(Some(Ok(frame)))) => Poll::Ready(Some(Ok(frame))),
        Ok(Poll::Ready(None)) => Poll::Ready(None),
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(Some(Err(_)))) | Err(_) => {
            tracing::error!("a response's body failed before its end");
            Poll::Ready(Some(Err(())))
        }
    }
}
