//! Around a client.

use dipole_http::ReportConnection;
use http::request::Parts;
use metrics::Label;
use tracing::Span;
use tracing::field::Empty;

use crate::attributes;
use crate::observation::{Observation, Side};

/// A layer that observes the requests of a client:
/// `client.layer(ClientTelemetry::new())`. Put on last, it sees a request with all that other layers
/// do about it, such as sending it again; put on first, each attempt.
///
/// A server's name becomes a label: for a client that asks servers without number, leave it out by
/// [`without_servers`](Self::without_servers).
#[derive(Debug, Clone)]
pub struct ClientTelemetry {
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
        Self { servers: Servers::Told }
    }

    /// Metrics without `server.address` and `server.port`; spans keep them.
    #[must_use]
    pub fn without_servers(mut self) -> Self {
        self.servers = Servers::LeftOut;
        self
    }

    /// Asks for what the response comes over, too.
    pub(crate) fn begin(&self, request: &mut Parts) -> Observation {
        request.extensions.insert(ReportConnection);
        let method = attributes::method(&request.method);
        let mut labels = vec![Label::new("http.request.method", method)];
        if self.servers == Servers::Told {
            let host = request.uri.host().unwrap_or_default().to_owned();
            labels.push(Label::new("server.address", host));
            let port = attributes::port(&request.uri);
            labels.extend(port.map(|port| Label::new("server.port", port.to_string())));
        }
        let span = span(request, method);
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
        network.peer.address = Empty,
        network.transport = Empty,
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
