//! The requests under way on a connection: from head to head, as states.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Version};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::After;
use super::call::failed;
use super::connection::Connection;
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
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    /// The client has said that it is its last (RFC 9112 section 9.6).
    pub(super) is_last: bool,
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
        /// Reads what the handler has left of the request's body.
        Drain,
        /// Sends what is queued, and nothing else.
        Flush,
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
            method: Method::GET,
            version: Version::HTTP_11,
            keep_alive: false,
            is_last: false,
        };
        let state = State::Head { scan: HeadScan::default() };
        Self { asked, incoming: RequestBody::none(), state }
    }
}

impl Connection {
    /// Answers the requests that came together, in their order, with one flush where none waits.
    /// Ready when the connection has no request under way any more.
    pub(super) fn poll_answer<S: HttpService>(
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
                    let response = ready!(self.poll_handler(handler, deadline, incoming, cx))?;
                    if !incoming.is_done() {
                        // What the handler still holds of the request has no reader any more.
                        this.state.set(State::Drain);
                    }
                    match self.begin_response(response, asked, incoming)? {
                        Some((body, writer)) => this.state.set(State::Respond { body, writer }),
                        None => this.state.set(State::Drain),
                    }
                }
                StateProjection::Respond { body, writer } => {
                    ready!(self.poll_body(body, writer, incoming, cx))?;
                    this.state.set(State::Drain);
                }
                StateProjection::Drain => {
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
                    // The next of a pipelined batch is answered before anything is sent.
                    if self.conn.is_empty() || self.conn.queued() > self.max_queued() {
                        this.state.set(State::Flush);
                    } else {
                        this.state.set(State::Head { scan: HeadScan::default() });
                    }
                }
                StateProjection::Flush => {
                    ready!(self.poll_flush(cx))?;
                    if self.conn.is_empty() {
                        return Poll::Ready(Ok(After::Wait));
                    }
                    this.state.set(State::Head { scan: HeadScan::default() });
                }
            }
        }
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
    // Unwind safe: a service that panicked is not called again, its connection ends.
    let called = catch_unwind(AssertUnwindSafe(|| {
        match service.poll_ready(cx) {
            Poll::Ready(Ok(())) => {
                state.set(State::Handler { handler: service.call(request), deadline });
            }
            Poll::Ready(Err(error)) => return Err(failed(error)),
            Poll::Pending => state.set(State::Service { request: Some(request), deadline }),
        }
        Ok(())
    }));
    called.unwrap_or(Err(Stop::Panicked))
}
