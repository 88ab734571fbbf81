//! What the layers of this crate have in common: rules around a client.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use dipole_http::{Body, ClientError, SendRequest};
use http::{Request, Response};
use tower_service::Service;

pub(crate) type Outcome = Result<Response<Body>, ClientError>;

/// A client, or what is around one, with one more layer of this crate around it.
#[derive(Debug, Clone)]
pub struct Around<S, R> {
    service: S,
    rules: R,
}

impl<S, R> Around<S, R> {
    pub(crate) fn new(service: S, rules: R) -> Self {
        Self { service, rules }
    }
}

/// What a layer does about a request.
pub(crate) trait Rules: Clone + Send + 'static {
    /// Sends it by `below`, as often as it takes.
    fn carry<S: SendRequest>(
        self,
        request: Request<Body>,
        below: Below<S>,
    ) -> impl Future<Output = Outcome> + Send;
}

/// What is below a layer, for one request and what follows from it.
pub(crate) struct Below<S>(S);

impl<S: SendRequest> Below<S> {
    /// Waits until the service is ready, and sends.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Outcome {
        poll_fn(|cx| self.0.poll_ready(cx)).await?;
        self.0.call(request).await
    }
}

impl<S: SendRequest, R: Rules> Service<Request<Body>> for Around<S, R> {
    type Response = Response<Body>;
    type Error = ClientError;
    type Future = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    /// Always ready: the service below is waited for with each request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.rules.clone().carry(request, Below(self.service.clone())))
    }
}
