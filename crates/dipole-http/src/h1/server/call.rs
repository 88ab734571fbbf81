//! Calling the service, while the request's body comes and the client may go.

use std::task::{Context, Poll};

use http::Request;
use tokio::time::Instant;

use super::connection::{Connection, Stage};
use super::exchange::{Asked, Kind};
use super::request_body::RequestBody;
use super::stop::{Stop, Timeout};
use crate::h1::codec::framing::BodyFraming;
use crate::h1::codec::request::RequestFacts;
use crate::{Body, BoxError, WhenClientLeaves};

impl Connection {
    /// Notes what the response will depend on, and gives the request its body.
    #[inline(always)]
    pub(super) fn accept_request(
        &mut self,
        request: &mut Request<Body>,
        facts: RequestFacts,
        asked: &mut Asked,
        incoming: &mut RequestBody,
    ) -> Result<(), Stop> {
        let most = self.worker.config.max_requests_per_connection;
        let is_last = most.is_some_and(|most| self.requests >= most);
        asked.kind = Kind::of(request.method());
        asked.version = request.version();
        asked.is_last = !facts.keep_alive;
        asked.keep_alive = facts.keep_alive && !is_last;
        if facts.framing != BodyFraming::None {
            *request.body_mut() = incoming.begin(self, facts)?;
        }
        if self.worker.hooks.exposes_connection_info
            && let Some(info) = &self.info
        {
            request.extensions_mut().insert(info.clone());
        }
        self.worker.counters.requests.add_one();
        Ok(())
    }

    /// Gives a handler that waits the piece of the request's body that it asks for: then ready, for
    /// it sees that at once.
    pub(super) fn poll_while_handled(
        &mut self,
        deadline: &mut Option<Instant>,
        incoming: &mut RequestBody,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stop>> {
        self.stage = Stage::Handling;
        match incoming.poll_pump(self, cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            // The body has told the handler.
            Poll::Ready(Err(Stop::ClientGone(_))) if self.finishes_handlers() => {
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(stop)) => Poll::Ready(Err(stop)),
            Poll::Pending => self.poll_meanwhile(cx, incoming, deadline).map(Err),
        }
    }

    /// While the handler waits: earlier answers go out, the client may leave, time may run out.
    pub(super) fn poll_meanwhile(
        &mut self,
        cx: &mut Context<'_>,
        incoming: &RequestBody,
        handler_deadline: &mut Option<Instant>,
    ) -> Poll<Stop> {
        if self.conn.queued() > 0
            && let Poll::Ready(Err(stop)) = self.poll_send(cx)
        {
            return Poll::Ready(stop);
        }
        if let Poll::Ready(error) = self.poll_client_gone(cx) {
            return Poll::Ready(Stop::ClientGone(error));
        }
        if handler_deadline.is_none() {
            *handler_deadline = self.after(self.worker.config.request_timeout);
        }
        match (incoming.deadline(), *handler_deadline) {
            (Some(body), handler) if handler.is_none_or(|handler| body < handler) => {
                self.poll_timeout(cx, Some(body), Timeout::Body)
            }
            (_, handler) => self.poll_timeout(cx, handler, Timeout::Handler),
        }
    }

    /// True where handlers run to their end without their clients.
    pub(super) fn finishes_handlers(&self) -> bool {
        self.worker.config.when_client_leaves == WhenClientLeaves::FinishHandler
    }

    /// Ready when the client has ended its side, where that matters. Holds what it sends
    /// meanwhile, of a body or of next requests, up to a head's size; the rest waits in the
    /// network.
    pub(super) fn poll_client_gone(&mut self, cx: &mut Context<'_>) -> Poll<dipole_net::Error> {
        if self.finishes_handlers() {
            return Poll::Pending;
        }
        while self.conn.len() < self.worker.config.max_head_bytes {
            let wanted = self.conn.buffered().len() + 1;
            match self.conn.poll_fill(cx, wanted) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}

/// A service that gave an error instead of a response.
pub(super) fn failed(error: impl Into<BoxError>) -> Stop {
    tracing::error!(error = %error.into(), "the service failed");
    Stop::Failed
}
