//! What the server asks of a service, under one short name.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::Body;

/// Any error of a service or a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A service that the server can serve: every `tower::Service<http::Request<Body>>` that is
/// `Clone` and `Send` and answers with an `http::Response` of any body, such as an axum `Router`.
///
/// Implemented for all of these; there is nothing to implement by hand.
pub trait HttpService: Clone + Send + Sized + 'static {
    /// The body that it answers with.
    type ResponseBody: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static;
    /// Its failure; the client sees 500.
    type Error: Into<BoxError>;
    /// The handler that runs.
    type Future: Future<Output = Result<Response<Self::ResponseBody>, Self::Error>> + Send;

    #[doc(hidden)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;
    #[doc(hidden)]
    fn call(&mut self, request: Request<Body>) -> Self::Future;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = B;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(self, cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Service::call(self, request)
    }
}
