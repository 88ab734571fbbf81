//! Around a service or a client: one request after the other under observation.

use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::observation::Observation;
use crate::{ClientTelemetry, ErrorType, ObservedBody, Observing, ServerTelemetry};

/// A service or client whose requests are observed: see [`ServerTelemetry`] and
/// [`ClientTelemetry`].
#[derive(Debug, Clone)]
pub struct Observed<S> {
    service: S,
    telemetry: Telemetry,
}

/// What is told of a request, by the end that it is seen from.
#[derive(Debug, Clone)]
enum Telemetry {
    Server(ServerTelemetry),
    Client(ClientTelemetry),
}

impl Telemetry {
    fn begin(&self, request: &mut Parts) -> Observation {
        match self {
            Self::Server(telemetry) => telemetry.begin(request),
            Self::Client(telemetry) => telemetry.begin(request),
        }
    }
}

impl<S> Layer<S> for ServerTelemetry {
    type Service = Observed<S>;

    fn layer(&self, service: S) -> Observed<S> {
        Observed { service, telemetry: Telemetry::Server(self.clone()) }
    }
}

impl<S> Layer<S> for ClientTelemetry {
    type Service = Observed<S>;

    fn layer(&self, service: S) -> Observed<S> {
        Observed { service, telemetry: Telemetry::Client(self.clone()) }
    }
}

impl<S, I, B> Service<Request<I>> for Observed<S>
where
    S: Service<Request<I>, Response = Response<B>>,
    S::Error: ErrorType,
    B: Body,
{
    type Response = Response<ObservedBody<B>>;
    type Error = S::Error;
    type Future = Observing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let observation = self.telemetry.begin(&mut parts);
        let entered = observation.span().clone().entered();
        let future = self.service.call(Request::from_parts(parts, body));
        drop(entered);
        Observing::new(future, observation)
    }
}
