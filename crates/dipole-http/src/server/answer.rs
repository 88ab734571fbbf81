//! One request's way through the service, for protocols that have several under way at once.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::arriving::{Arriving, Fault};
use super::exchanges::Running;
use super::{Deadline, Phase, Reached, grpc};
use crate::{Body, BodyError, BoxError, HttpService, ServerConfig, WhenClientLeaves};

/// The answer to a request: a future that always gives a response. Made by
/// [`Exchanges::answer`](crate::Exchanges::answer).
#[must_use = "futures do nothing unless they are polled"]
pub struct Answer<S: HttpService> {
    state: State<S>,
    /// The request was a HEAD, whose answer has no body.
    is_head: bool,
    /// The request's body fell short of the rules; `None` for a request without one.
    fault: Option<Arc<Fault>>,
    timer: Deadline,
    /// By when a gRPC call has to be over, body and all; then `timer` is for it, if it comes first.
    call_deadline: Option<Instant>,
    running: Option<Running>,
}

#[allow(clippy::large_enum_variant, reason = "the answer is on the heap, with its stream")]
enum State<S: HttpService> {
    /// Is refused without a call.
    Refused(Refusal),
    /// Waits until the service takes the request.
    Service(S, Option<Request<Body>>),
    /// Waits for the handler.
    Handler(Pin<Box<S::Future>>),
    Over,
}

/// What the server answers in the place of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal(StatusCode, &'static str);

const TOO_LARGE: Refusal =
    Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large");
const TARGET_TOO_LONG: Refusal =
    Refusal(StatusCode::URI_TOO_LONG, "the request target is too long");
const TOO_MANY_FIELDS: Refusal =
    Refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many header fields");
const BODY_TOO_SLOW: Refusal = Refusal(StatusCode::REQUEST_TIMEOUT, "the request came too slowly");
const HANDLER_TOO_SLOW: Refusal =
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "the request took too long");
const FAILED: Refusal =
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be handled");

impl<S: HttpService> Answer<S> {
    pub(super) fn new<B>(service: S, running: Running, request: Request<B>) -> Self
    where
        B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let worker = &running.connection.worker;
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let refusal = refusal(&parts, body.size_hint().lower(), &worker.config);
        let now = Instant::now();
        let call_timeout =
            if worker.config.http2.grpc_deadlines { grpc::timeout(&parts) } else { None };
        let call_deadline = call_timeout.and_then(|timeout| now.checked_add(timeout));
        let request_deadline = worker.config.request_timeout.map(|timeout| now + timeout);
        let mut fault = None;
        let state = if let Some(refusal) = refusal {
            worker.counters.rejected.add_one();
            State::Refused(refusal)
        } else {
            let mut request = Request::from_parts(parts, Body::empty());
            if !body.is_end_stream() {
                let shared = Arc::<Fault>::default();
                let arriving = Arriving::new(body, &worker.config, Arc::clone(&shared));
                *request.body_mut() = Body::new(arriving);
                fault = Some(shared);
            }
            if worker.hooks.exposes_connection_info
                && let Some(info) = &running.connection.info
            {
                request.extensions_mut().insert(info.clone());
            }
            worker.counters.requests.add_one();
            State::Service(service, Some(request))
        };
        let mut timer = Deadline::default();
        timer.set(request_deadline.into_iter().chain(call_deadline).min());
        Self { state, is_head, fault, timer, call_deadline, running: Some(running) }
    }

    /// Polls the service and its handler; what they end with.
    fn poll_service(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<S::ResponseBody>, Refusal>> {
        // Unwind safe: a service or handler that panicked is not used any more.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let State::Service(service, request) = &mut self.state {
                match service.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        let Some(request) = request.take() else { return Poll::Pending };
                        let handler = Box::pin(service.call(request));
                        self.state = State::Handler(handler);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let State::Handler(handler) = &mut self.state else { return Poll::Pending };
            handler.as_mut().poll(cx)
        }));
        match polled {
            Ok(Poll::Ready(Ok(response))) => return Poll::Ready(Ok(response)),
            Ok(Poll::Ready(Err(error))) => {
                tracing::error!(error = %error.into(), "the service failed");
            }
            Ok(Poll::Pending) => return Poll::Pending,
            Err(_) => {
                if let Some(running) = &self.running {
                    running.connection.worker.counters.panics.add_one();
                }
            }
        }
        Poll::Ready(Err(FAILED))
    }

    /// A fault of the request's body that ends the handler.
    fn fault(&self, cx: &Context<'_>) -> Option<Refusal> {
        let counters = &self.running.as_ref()?.connection.worker.counters;
        match self.fault.as_ref()?.poll(cx)? {
            BodyError::TooLarge { .. } => {
                counters.rejected.add_one();
                Some(TOO_LARGE)
            }
            BodyError::TimedOut => {
                counters.timed_out.add_one();
                Some(BODY_TOO_SLOW)
            }
            // The peer has broken the request off: the protocol sees that itself.
            _ => None,
        }
    }

    /// Ready when the handler has had its time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        // A request may be polled by its connection's task first, and by its own then.
        ready!(self.timer.poll_passed_for(cx));
        if let Some(running) = &self.running {
            running.connection.worker.counters.timed_out.add_one();
        }
        Poll::Ready(HANDLER_TOO_SLOW)
    }

    /// True when the client's own deadline for a gRPC call has passed.
    fn is_over(&self) -> bool {
        self.call_deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn finished(
        &mut self,
        result: Result<Response<S::ResponseBody>, Refusal>,
    ) -> Response<AnswerBody<S::ResponseBody>> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let running = self.running.take();
        if let (Err(refusal), Some(running)) = (&result, &running) {
            let Refusal(status, text) = match *refusal {
                // gRPC tells it in a field of an answer that is fine.
                HANDLER_TOO_SLOW if self.is_over() => Refusal(StatusCode::OK, HANDLER_TOO_SLOW.1),
                refusal => refusal,
            };
            let reached = match state {
                State::Refused(_) | State::Service(..) => Reached::Server,
                State::Handler(_) | State::Over => Reached::Service,
            };
            let connection = &running.connection;
            let info = connection.info.as_ref();
            connection.worker.hooks.tell_own_answer((status, text), reached, info);
        }
        let alt_svc = running.as_ref().and_then(|running| running.connection.alt_svc().cloned());
        let mut response = match result {
            Ok(response) => {
                let (mut parts, body) = response.into_parts();
                let exact = body.size_hint().exact().filter(|&exact| exact > 0);
                if self.is_head
                    && let Some(length) = exact
                {
                    // RFC 9110 9.3.2: the fields are those of a GET, as far as they are known.
                    parts.headers.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
                }
                let has_none = self.is_head
                    || parts.status == StatusCode::NO_CONTENT
                    || parts.status == StatusCode::NOT_MODIFIED;
                let kind = if has_none { Kind::Empty } else { Kind::Service(Box::pin(body)) };
                let mut timer = Deadline::default();
                timer.set(self.call_deadline);
                Response::from_parts(parts, AnswerBody { kind, timer, running })
            }
            Err(HANDLER_TOO_SLOW) if self.is_over() => {
                let timer = Deadline::default();
                let mut response = Response::new(AnswerBody { kind: Kind::Empty, timer, running });
                let media_type = HeaderValue::from_static("application/grpc");
                response.headers_mut().insert(header::CONTENT_TYPE, media_type);
                grpc::deadline_exceeded(response.headers_mut());
                response
            }
            Err(Refusal(status, text)) => {
                let kind = match self.is_head {
                    true => Kind::Empty,
                    false => Kind::Text(Bytes::from(format!("{text}\n"))),
                };
                let timer = Deadline::default();
                let mut response = Response::new(AnswerBody { kind, timer, running });
                *response.status_mut() = status;
                let text = HeaderValue::from_static("text/plain; charset=utf-8");
                response.headers_mut().insert(header::CONTENT_TYPE, text);
                response
            }
        };
        if let Some(alt_svc) = alt_svc {
            response.headers_mut().entry(header::ALT_SVC).or_insert(alt_svc);
        }
        response
    }
}

/// Why a request is not given to the service, if it is not; `least` is what its body has at least.
fn refusal(parts: &Parts, least: u64, config: &ServerConfig) -> Option<Refusal> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > config.max_target_bytes {
        return Some(TARGET_TOO_LONG);
    }
    if parts.headers.len() > config.max_headers {
        return Some(TOO_MANY_FIELDS);
    }
    config.max_body_bytes.is_some_and(|limit| least > limit).then_some(TOO_LARGE)
}

impl<S: HttpService> Future for Answer<S> {
    type Output = Response<AnswerBody<S::ResponseBody>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Refused(refusal) = this.state {
            return Poll::Ready(this.finished(Err(refusal)));
        }
        let polled = this.poll_service(cx);
        // A fault of the body goes before what the handler makes of it, as on HTTP/1.1.
        if let Some(refusal) = this.fault(cx) {
            return Poll::Ready(this.finished(Err(refusal)));
        }
        if let Poll::Ready(result) = polled {
            return Poll::Ready(this.finished(result));
        }
        this.poll_late(cx).map(|refusal| this.finished(Err(refusal)))
    }
}

// The handler is on the heap, and nothing else here is pinned.
impl<S: HttpService> Unpin for Answer<S> {}

impl<S: HttpService> Drop for Answer<S> {
    /// The client has gone.
    fn drop(&mut self) {
        let State::Handler(handler) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let Some(running) = &self.running else { return };
        let worker = &running.connection.worker;
        let is_ending = worker.registry.phase() == Phase::Ending;
        if worker.config.when_client_leaves == WhenClientLeaves::FinishHandler && !is_ending {
            let finish = async { drop(handler.await) };
            return super::exchanges::spawn(&running.connection, finish);
        }
        worker.counters.cancelled.add_one();
    }
}

impl<S: HttpService> fmt::Debug for Answer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// The body of an [`Answer`]. A panic in it is counted, and its error otherwise.
pub struct AnswerBody<B> {
    kind: Kind<B>,
    /// The client's own deadline for a gRPC call.
    timer: Deadline,
    running: Option<Running>,
}

enum Kind<B> {
    Empty,
    Text(Bytes),
    Service(Pin<Box<B>>),
}

impl<B> HttpBody for AnswerBody<B>
where
    B: HttpBody<Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let body = match &mut this.kind {
            Kind::Empty => return Poll::Ready(None),
            Kind::Text(text) => {
                let text = std::mem::take(text);
                this.kind = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(text))));
            }
            Kind::Service(body) => body,
        };
        // Unwind safe: a body that panicked is not polled again.
        match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(cx))) {
            Ok(Poll::Ready(Some(Ok(frame)))) => Poll::Ready(Some(Ok(
                frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
            ))),
            Ok(Poll::Ready(Some(Err(error)))) => {
                tracing::error!("a response's body failed before its end");
                this.kind = Kind::Empty;
                Poll::Ready(Some(Err(error.into())))
            }
            Ok(Poll::Ready(None)) => Poll::Ready(None),
            Ok(Poll::Pending) => {
                ready!(this.timer.poll_passed_for(cx));
                if let Some(running) = &this.running {
                    running.connection.worker.counters.timed_out.add_one();
                }
                this.kind = Kind::Empty;
                let mut trailers = HeaderMap::new();
                grpc::deadline_exceeded(&mut trailers);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            Err(_) => {
                if let Some(running) = &this.running {
                    running.connection.worker.counters.panics.add_one();
                }
                this.kind = Kind::Empty;
                Poll::Ready(Some(Err("the response's body panicked".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Text(_) => false,
            Kind::Service(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
            Kind::Service(body) => body.size_hint(),
        }
    }
}

// The service's body is on the heap, and nothing else here is pinned.
impl<B> Unpin for AnswerBody<B> {}

impl<B> fmt::Debug for AnswerBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}
