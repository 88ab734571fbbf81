//! Around a client.

use std::task::{Context, Poll};

use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use metrics::{Label, SharedString};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::field::Empty;

use crate::attributes;
use crate::observation::{Observation, Side};
use crate::{ErrorType, ObservedBody, Observing};

/// A layer that observes the requests of a client:
/// `client.layer(ClientTelemetry::new())`. Put on last, it sees a request with all that other layers
/// do about it, such as sending it again; put on first, each attempt.
///
/// A server's name becomes a label: for a client that asks servers without number, leave it out by
/// [`without_servers`](Self::without_servers).
#[derive(Debug, Clone)]
pub struct ClientTelemetry {
    network: Option<&'static str>,
    servers: Servers,
}

/// Whether labels tell the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Servers {
    Told,
    LeftOut,
}

impl Default for ClientTelemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientTelemetry {
    /// Tells the recorder what the metrics are: install it before.
    #[must_use]
    pub fn new() -> Self {
        Side::Client.describe();
        Self { network: None, servers: Servers::Told }
    }

    /// The network library that the client dials with, for `dipole.network`.
    #[must_use]
    pub fn network(mut self, name: &'static str) -> Self {
        self.network = Some(name);
        self
    }

    /// Metrics without `server.address` and `server.port`; spans keep them.
    #[must_use]
    pub fn without_servers(mut self) -> Self {
        self.servers = Servers::LeftOut;
        self
    }

    fn begin(&self, request: &Parts) -> Observation {
        let method = attributes::method(&request.method);
        let mut labels = vec![Label::new("http.request.method", method)];
        if self.servers == Servers::Told {
            let host = request.uri.host().unwrap_or_default().to_owned();
            labels.push(Label::new("server.address", host));
            let port = attributes::port(&request.uri);
            labels.extend(port.map(|port| Label::new("server.port", port.to_string())));
        }
        labels.extend(
            self.network.map(|name| Label::new("dipole.network", SharedString::from(name))),
        );
        let span = span(request, method);
        if let Some(network) = self.network {
            span.record("dipole.network", network);
        }
        Observation::begin(Side::Client, span, labels, attributes::content_length(&request.headers))
    }
}

fn span(request: &Parts, method: &'static str) -> Span {
    let span = tracing::info_span!(
        "http.client.request",
        otel.kind = "client",
        otel.name = if method == "_OTHER" { "HTTP" } else { method },
        otel.status_code = Empty,
        http.request.method = method,
        http.request.method_original = Empty,
        url.full = attributes::url(&request.uri),
        server.address = request.uri.host(),
        server.port = attributes::port(&request.uri),
        network.protocol.name = "http",
        network.protocol.version = Empty,
        dipole.network = Empty,
        http.request.body.size = Empty,
        http.response.status_code = Empty,
        http.response.body.size = Empty,
        error.type = Empty,
    );
    if method == "_OTHER" {
        span.record("http.request.method_original", request.method.as_str());
    }
    span
}

impl<S> Layer<S> for ClientTelemetry {
    type Service = ObservedClient<S>;

    fn layer(&self, service: S) -> ObservedClient<S> {
        ObservedClient { service, telemetry: self.clone() }
    }
}

/// A client whose requests are observed: see [`ClientTelemetry`].
#[derive(Debug, Clone)]
pub struct ObservedClient<S> {
    service: S,
    telemetry: ClientTelemetry,
}

impl<S, I, B> Service<Request<I>> for ObservedClient<S>
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
        let (parts, body) = request.into_parts();
        let observation = self.telemetry.begin(&parts);
        let entered = observation.span().clone().entered();
        let future = self.service.call(Request::from_parts(parts, body));
        drop(entered);
        Observing::new(future, observation)
    }
}
