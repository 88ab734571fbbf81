//! Layers around a client: what happens before and after each request.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use super::{Client, ClientError, Inner};
use crate::h1::client::Sending;
use crate::{Body, BoxError};

type Answered = Pin<Box<dyn Future<Output = Result<Response<Body>, ClientError>> + Send>>;

/// What sends requests: a client, and what layers make of it.
///
/// Implemented for all such services; there is nothing to implement by hand. It is what a layer
/// asks of the service that it is put around.
pub trait SendRequest:
    Service<Request<Body>, Response = Response<Body>, Error = ClientError, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> SendRequest for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = ClientError, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// What a layer is put around: a client's core, and the layers that were put around it before.
///
/// Cheap to clone and always ready. The deadline of the whole request is the client's: it spans all
/// that the layers do.
#[derive(Clone)]
pub struct ClientService {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Core(Arc<Inner>),
    Layered(Arc<dyn Layered>),
}

impl Client {
    /// A client whose requests go through `layer`, and after it through what this client has; both
    /// share their connections.
    ///
    /// The layer that is put on last sees a request first and its response last. With layers a
    /// request costs a few allocations more. What a layer fails with, and is no [`ClientError`],
    /// becomes one of kind [`Layer`](crate::ClientErrorKind::Layer).
    #[must_use]
    pub fn layer<L, B>(&self, layer: L) -> Self
    where
        L: Layer<ClientService>,
        L::Service: Service<
                Request<Body>,
                Response = Response<B>,
                Error: Into<BoxError>,
                Future: Send + 'static,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let core = || ClientService { kind: Kind::Core(Arc::clone(&self.inner)) };
        let below = self.service.clone().unwrap_or_else(core);
        let kind = Kind::Layered(Arc::new(Around(layer.layer(below))));
        Self { inner: Arc::clone(&self.inner), service: Some(ClientService { kind }) }
    }
}

impl ClientService {
    pub(super) fn send(&self, request: Request<Body>) -> Answered {
        match &self.kind {
            Kind::Layered(layered) => layered.send(request),
            Kind::Core(inner) => {
                let inner = Arc::clone(inner);
                Box::pin(async move {
                    let (parts, body) = request.into_parts();
                    inner.send(&parts, Sending::new(body)).await
                })
            }
        }
    }
}

impl Service<Request<Body>> for ClientService {
    type Response = Response<Body>;
    type Error = ClientError;
    type Future = Answered;

    /// Always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.send(request)
    }
}

impl fmt::Debug for ClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService").finish_non_exhaustive()
    }
}

/// Any layered service, by one name.
trait Layered: Send + Sync {
    fn send(&self, request: Request<Body>) -> Answered;
}

struct Around<S>(S);

impl<S, B> Layered for Around<S>
where
    S: Service<
            Request<Body>,
            Response = Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    fn send(&self, request: Request<Body>) -> Answered {
        let mut service = self.0.clone();
        Box::pin(async move {
            let ready = poll_fn(|cx| service.poll_ready(cx)).await;
            ready.map_err(ClientError::of_layer)?;
            let response = service.call(request).await;
            response.map(|response| response.map(Body::wrap)).map_err(ClientError::of_layer)
        })
    }
}
