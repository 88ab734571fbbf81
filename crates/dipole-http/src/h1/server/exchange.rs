//! The requests under way on a connection: from head to head, as states.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Version};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::After;
use super::call::failed;
use super::connection::{Connection, Stage};
use super::request_body::RequestBody;
use super::stop::Stop;
use crate::h1::body_writer::BodyWriter;
use crate::h1::codec::head::HeadScan;
use crate::{Body, HttpService};

pin_project! {
    /// What a connection needs while requests are under way, and not while it is idle.
    pub(super) struct Exchange<S: HttpService> {
        asked: Asked,
        incoming: RequestBody,
        #[pin]
        state: State<S::Future, S::ResponseBody>,
    }
}

/// What of a request its response depends on.
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    /// The client has said that it is its last (RFC 9112 section 9.6).
    pub(super) is_last: bool,
}

/// What of a request's method its response depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Head,
    Connect,
    Other,
}

impl Kind {
    #[inline]
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::Head,
            Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}

pin_project! {
    /// What the connection is doing for its current request.
    #[project = StateProjection]
    enum State<F, B> {
        /// Reads the request's head.
        Head { scan: HeadScan },
        /// Waits until the service takes the request.
        Service { request: Option<Request<Body>>, deadline: Option<Instant> },
        /// Waits for the handler's response.
        Handler { #[pin] handler: F, deadline: Option<Instant> },
        /// Sends the response's body.
        Respond { #[pin] body: B, writer: BodyWriter },
        /// Reads what the handler has left of the request's body, and ends unless the next request
        /// is there.
        Rest,
    }
}

impl<S: HttpService> Exchange<S> {
    /// Made where it stays: it is too large to be moved for each request.
    #[inline]
    pub(super) fn on_heap() -> Pin<Box<Self>> {
        Box::into_pin(Box::write(Box::new_uninit(), Self::new()))
    }

    fn new() -> Self {
        let asked = Asked {
            kind: Kind::Other,
            version: Version::HTTP_11,
            keep_alive: false,
            is_last: false,
        };
        let state = State::Head { scan: HeadScan::default() };
        Self { asked, incoming: RequestBody::default(), state }
    }
}

impl Connection {
    /// Answers the requests that came together, in their order. Ready when the connection has no request
    /// under way any more; the last answers are queued then, for one flush.
    pub(super) fn poll_answer<S: HttpService>(
        &mut self,
        service: &mut S,
        mut exchange: Pin<&mut Exchange<S>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<After, Stop>> {
        // Unwind safe: a service, a handler or a body that panicked is not asked again, and the
        // connection ends.
        let answered =
            catch_unwind(AssertUnwindSafe(|| self.poll_requests(service, exchange.as_mut(), cx)));
        answered.unwrap_or_else(|_| Poll::Ready(Err(self.note_panic(exchange.as_mut()))))
    }

    #[inline]
    fn poll_requests<S: HttpService>(
        &mut self,
        service: &mut S,
        exchange: Pin<&mut Exchange<S>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<After, Stop>> {
        let mut this = exchange.project();
        let (asked, incoming) = (this.asked, this.incoming);
        loop {
            match this.state.as_mut().project() {
                StateProjection::Head { scan } => {
                    let mut request = Request::new(Body::empty());
                    let facts = ready!(self.poll_head(scan, &mut request, cx))?;
                    self.accept_request(&mut request, facts, asked, incoming)?;
                    call(service, request, None, this.state.as_mut(), cx)?;
                }
                StateProjection::Service { request, deadline } => {
                    let deadline = *deadline;
                    if let Some(request) = request.take() {
                        call(service, request, deadline, this.state.as_mut(), cx)?;
                    }
                    if let StateProjection::Service { deadline, .. } = this.state.as_mut().project()
                    {
                        return self.poll_meanwhile(cx, incoming, deadline).map(Err);
                    }
                }
                StateProjection::Handler { handler, deadline } => {
                    incoming.renew_demand(cx);
                    let (mut head, body) = match handler.poll(cx) {
                        Poll::Ready(Ok(response)) => response.into_parts(),
                        Poll::Ready(Err(error)) => {
                            self.stage = Stage::Between;
                            return Poll::Ready(Err(failed(error)));
                        }
                        Poll::Pending => {
                            ready!(self.poll_while_handled(deadline, incoming, cx))?;
                            continue;
                        }
                    };
                    self.stage = Stage::Between;
                    if !incoming.is_done() {
                        // What the handler still holds of the request has no reader any more.
                        this.state.set(State::Rest);
                    }
                    let writer = self.begin_response(&mut head, &body, asked, incoming)?;
                    if writer.expects_more() {
                        this.state.set(State::Respond { body, writer });
                    } else {
                        this.state.set(State::Rest);
                        drop(body);
                        self.stage = Stage::Between;
                    }
                }
                StateProjection::Respond { body, writer } => {
                    ready!(self.poll_body(body, writer, incoming, cx))?;
                    // The next of a pipelined batch is answered before anything is sent.
                    if asked.keep_alive && incoming.is_done() && self.is_next_held() {
                        this.state.set(State::Head { scan: HeadScan::default() });
                    } else {
                        this.state.set(State::Rest);
                    }
                }
                StateProjection::Rest => {
                    let is_wanted = asked.keep_alive || incoming.has_reader();
                    let is_read =
                        incoming.is_done() || (is_wanted && ready!(self.poll_drain(incoming, cx))?);
                    if !asked.keep_alive || !is_read {
                        return Poll::Ready(Ok(match is_read && self.conn.is_empty() {
                            true if asked.is_last => After::Part,
                            true => After::Finish,
                            false => After::Linger,
                        }));
                    }
                    if self.conn.is_empty() {
                        return Poll::Ready(Ok(After::Wait));
                    }
                    if !self.is_next_held() {
                        ready!(self.poll_flush(cx))?;
                    }
                    this.state.set(State::Head { scan: HeadScan::default() });
                }
            }
        }
    }

    /// True when the next request is held already, and its answer has room beside those before it.
    #[inline]
    fn is_next_held(&self) -> bool {
        !self.conn.is_empty() && self.conn.queued() <= self.max_queued()
    }

    /// What a panic of the service, its handler or its response's body ends the connection with.
    #[cold]
    fn note_panic<S: HttpService>(&mut self, exchange: Pin<&mut Exchange<S>>) -> Stop {
        let has_begun = match exchange.project().state.project() {
            StateProjection::Head { .. }
            | StateProjection::Service { .. }
            | StateProjection::Handler { .. } => self.stage == Stage::Responding,
            StateProjection::Respond { .. } | StateProjection::Rest => true,
        };
        if has_begun {
            self.worker.counters.panics.add_one();
            return Stop::CutShort;
        }
        // Its handler, if it had one, has not been cancelled.
        self.stage = Stage::Between;
        Stop::Panicked
    }
}

/// Gives the request to the service, or keeps it while the service is not ready. What moves here is
/// large: so the next state is made where it stays.
#[inline]
fn call<S: HttpService>(
    service: &mut S,
    request: Request<Body>,
    deadline: Option<Instant>,
    mut state: Pin<&mut State<S::Future, S::ResponseBody>>,
    cx: &mut Context<'_>,
) -> Result<(), Stop> {
    match service.poll_ready(cx) {
        Poll::Ready(Ok(())) => {
            state.set(State::Handler { handler: service.call(request), deadline });
            Ok(())
        }
        Poll::Ready(Err(error)) => Err(failed(error)),
        Poll::Pending => {
            state.set(State::Service { request: Some(request), deadline });
            Ok(())
        }
    }
}
