//! The layer: an endpoint for each request.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use dipole_http::{Body, BoxError, ClientError, ClientErrorKind, SendRequest};
use dipole_net::Addr;
use http::{Request, Response};
use tokio::sync::Mutex as Turn;
use tower::balance::p2c;
use tower::discover::Discover;
use tower_layer::Layer;
use tower_service::Service;

use crate::Ejection;
use crate::endpoint::Endpoints;

/// A layer that sends each request of a client to one of several endpoints.
///
/// The request's URI keeps its host: it is told the server, and is what its certificate is held
/// against. Connections are kept for each endpoint.
///
/// `D` is a stream of changes: [`discover`](crate::discover) has some. It is polled while requests
/// are waited for, so discovering takes no task.
pub struct Balance<D> {
    /// Taken by the first service that is made: a stream of changes is for one.
    endpoints: Mutex<Option<D>>,
    options: Options,
}

#[derive(Debug, Clone, Copy)]
struct Options {
    ejection: Ejection,
    default_round_trip: Duration,
    decay: Duration,
    attempts: u32,
    patience: Duration,
}

impl<D> Balance<D>
where
    D: Discover<Key = Addr, Service = ()> + Send + Unpin + 'static,
    D::Error: Into<BoxError>,
{
    /// Over these endpoints.
    #[must_use]
    pub fn over(endpoints: D) -> Self {
        let options = Options {
            ejection: Ejection::default(),
            default_round_trip: Duration::from_millis(30),
            decay: Duration::from_secs(10),
            attempts: 3,
            patience: Duration::from_secs(5),
        };
        Self { endpoints: Mutex::new(Some(endpoints)), options }
    }

    /// When an endpoint is left out, and for how long.
    #[must_use]
    pub fn ejection(mut self, ejection: Ejection) -> Self {
        self.options.ejection = ejection;
        self
    }

    /// What a new endpoint is taken to need for an answer (default 30 ms), and after what time a
    /// peak is forgotten (default 10 s).
    #[must_use]
    pub fn load(mut self, default_round_trip: Duration, decay: Duration) -> Self {
        self.options.default_round_trip = default_round_trip;
        self.options.decay = decay.max(Duration::from_millis(1));
        self
    }

    /// To how many endpoints a request may go when it cannot be connected; nothing of it was sent
    /// then, and its body has to be all there ([`Body::held`]). Default 3, at least 1.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts.max(1);
        self
    }

    /// How long a request waits for an endpoint where there is none. Default 5 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.options.patience = patience;
        self
    }
}

impl<D, S> Layer<S> for Balance<D>
where
    D: Discover<Key = Addr, Service = ()> + Send + Unpin + 'static,
    D::Error: Into<BoxError>,
    S: SendRequest,
{
    type Service = Balanced<D, S>;

    /// # Panics
    /// When it is used twice: a stream of endpoints is for one client. Clone the client instead.
    fn layer(&self, service: S) -> Balanced<D, S> {
        let endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).take();
        let endpoints = endpoints.expect("a balance is a layer of one client");
        let Options { ejection, default_round_trip, decay, .. } = self.options;
        let endpoints = Endpoints::new(endpoints, service, ejection, default_round_trip, decay);
        let balance = Turn::new(p2c::Balance::new(endpoints));
        Balanced { balance: Arc::new(balance), options: self.options }
    }
}

/// Two random choices of all endpoints.
type Chooser<D, S> = p2c::Balance<Endpoints<D, S>, Request<Body>>;

/// A client over many endpoints: see [`Balance`]. Clones share them.
pub struct Balanced<D, S>
where
    D: Discover<Key = Addr, Service = ()> + Unpin,
    S: SendRequest,
{
    /// Requests choose one after the other, in the order in which they came.
    balance: Arc<Turn<Chooser<D, S>>>,
    options: Options,
}

impl<D, S> Balanced<D, S>
where
    D: Discover<Key = Addr, Service = ()> + Send + Unpin + 'static,
    D::Error: Into<BoxError>,
    S: SendRequest,
{
    async fn send(self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let mut request = request;
        for _ in 1..self.options.attempts {
            let Some(again) = copied(&request) else { break };
            match self.send_once(request).await {
                Err(error) if is_connect(&*error) => request = again,
                ended => return ended,
            }
        }
        self.send_once(request).await
    }

    async fn send_once(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let chosen = async {
            let mut balance = self.balance.lock().await;
            poll_fn(|cx| balance.poll_ready(cx)).await?;
            Ok(balance.call(request))
        };
        match tokio::time::timeout(self.options.patience, chosen).await {
            Ok(Ok(response)) => response.await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(NoEndpoint { waited: self.options.patience }.into()),
        }
    }
}

/// The request once more, where its body allows that.
fn copied(request: &Request<Body>) -> Option<Request<Body>> {
    let body = request.body().held()?;
    let mut copy = Request::new(Body::full(body));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

fn is_connect(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<ClientError>();
    error.is_some_and(|error| error.kind() == ClientErrorKind::Connect)
}

impl<D, S> Service<Request<Body>> for Balanced<D, S>
where
    D: Discover<Key = Addr, Service = ()> + Send + Unpin + 'static,
    D::Error: Into<BoxError>,
    S: SendRequest,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    /// Always ready: a request waits for its endpoint itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// No endpoint is known, or each is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoEndpoint {
    /// For how long there was none.
    pub waited: Duration,
}

impl fmt::Display for NoEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there was no endpoint for {:?}; look at what discovers them", self.waited)
    }
}

impl std::error::Error for NoEndpoint {}

impl<D, S> Clone for Balanced<D, S>
where
    D: Discover<Key = Addr, Service = ()> + Unpin,
    S: SendRequest,
{
    fn clone(&self) -> Self {
        Self { balance: Arc::clone(&self.balance), options: self.options }
    }
}

impl<D> fmt::Debug for Balance<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<D, S> fmt::Debug for Balanced<D, S>
where
    D: Discover<Key = Addr, Service = ()> + Unpin,
    S: SendRequest,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balanced").field("options", &self.options).finish_non_exhaustive()
    }
}
