//! Answering health checks.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use dipole_http::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// How a server says that it does, and a layer that answers who asks.
///
/// GET and HEAD of the path are answered 200 `serving` until [`leave`](Self::leave), and 503 `leaving`
/// afterwards. Clones are of the same server.
#[derive(Debug, Clone)]
pub struct Health {
    path: Arc<str>,
    is_leaving: Arc<AtomicBool>,
}

impl Health {
    /// Asked at this path, such as `/healthz`.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self { path: path.into(), is_leaving: Arc::default() }
    }

    /// From now on: send me nothing new.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let is_asked = request.uri().path() == &*self.path
            && matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_asked {
            return None;
        }
        let (status, word) = match self.is_leaving.load(Ordering::Acquire) {
            false => (StatusCode::OK, "serving\n"),
            true => (StatusCode::SERVICE_UNAVAILABLE, "leaving\n"),
        };
        let mut response = Response::new(Body::from(word));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }
}

impl<S> Layer<S> for Health {
    type Service = HealthChecked<S>;

    fn layer(&self, service: S) -> HealthChecked<S> {
        HealthChecked { service, health: self.clone() }
    }
}

/// A service that answers health checks: see [`Health`].
#[derive(Debug, Clone)]
pub struct HealthChecked<S> {
    service: S,
    health: Health,
}

impl<S, B, R> Service<Request<B>> for HealthChecked<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: http_body::Body<Data: Send, Error: Into<dipole_http::BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.health.answer(&request) {
            Some(response) => Answering { answer: Of::Health { response: Some(response) } },
            None => Answering { answer: Of::Service { future: self.service.call(request) } },
        }
    }
}

pin_project! {
    /// The answer of a service, or of its health check.
    pub struct Answering<F> {
        #[pin]
        answer: Of<F>,
    }
}

pin_project! {
    #[project = OfProjected]
    enum Of<F> {
        // Taken by the first poll.
        Health { response: Option<Response<Body>> },
        Service { #[pin] future: F },
    }
}

impl<F, R, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: http_body::Body<Data: Send, Error: Into<dipole_http::BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().answer.project() {
            OfProjected::Health { response } => {
                Poll::Ready(Ok(response.take().expect("polled once after it was made")))
            }
            OfProjected::Service { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(Body::wrap)))
            }
        }
    }
}
