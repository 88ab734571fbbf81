//! Calling the service, while the request's body comes and the client may go.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::{Request, Response};
use tokio::time::Instant;

use super::connection::Connection;
use super::request_body::RequestBody;
use super::stop::{Stop, Timeout};
use crate::server::Counter;
use crate::{Body, BoxError, HttpService, WhenClientLeaves};

impl Connection {
    /// Runs the handler to its response.
    pub(super) async fn call<S: HttpService>(
        &mut self,
        service: &mut S,
        request: Request<Body>,
        incoming: &mut RequestBody,
    ) -> Result<Response<S::ResponseBody>, Stop> {
        let worker = std::sync::Arc::clone(&self.worker);
        worker.counters.requests.add_one();
        let mut unfinished = Unfinished(Some(&worker.counters.cancelled));
        let mut handler = pin!(async {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(request).await
        });
        let mut deadline = None;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(outcome) = poll_guarded(handler.as_mut(), cx) {
                    unfinished.0 = None;
                    return Poll::Ready(outcome);
                }
                // A piece that was given is seen by the handler at once.
                match incoming.poll_pump(self, cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(stop)) => return Poll::Ready(Err(stop)),
                    Poll::Pending => break,
                }
            }
            self.poll_meanwhile(cx, incoming, &mut deadline).map(Err)
        })
        .await
    }

    /// While the handler waits: earlier answers go out, the client may leave, time may run out.
    fn poll_meanwhile(
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
        if incoming.is_done()
            && let Poll::Ready(error) = self.poll_client_gone(cx)
        {
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

    /// Ready when the client has ended its side, where that matters. Holds what it sends
    /// meanwhile, up to a head's size; beyond that the next requests wait in the network.
    pub(super) fn poll_client_gone(&mut self, cx: &mut Context<'_>) -> Poll<dipole_net::Error> {
        if self.worker.config.when_client_leaves == WhenClientLeaves::FinishHandler {
            return Poll::Pending;
        }
        while self.conn.len() < self.worker.config.max_head_bytes {
            let wanted = self.conn.len() + 1;
            match self.conn.poll_fill(cx, wanted) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(error),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Pending
    }
}

/// Counts a handler that is dropped before its end.
struct Unfinished<'a>(Option<&'a Counter>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(cancelled) = self.0 {
            cancelled.add_one();
        }
    }
}

/// Polls a handler; its panic ends its own connection and no other.
fn poll_guarded<F, T, E>(handler: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Result<T, Stop>>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    // Unwind safe: nothing that the handler could have left half-done is used after a panic.
    match catch_unwind(AssertUnwindSafe(|| handler.poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(Ok(response))) => Poll::Ready(Ok(response)),
        Ok(Poll::Ready(Err(error))) => {
            tracing::error!(error = %error.into(), "the service failed");
            Poll::Ready(Err(Stop::Failed))
        }
        Err(_) => Poll::Ready(Err(Stop::Panicked)),
    }
}
