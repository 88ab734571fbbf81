//! Around a service that a server serves.

use std::fmt;
use std::sync::Arc;

use dipole_http::ConnectionInfo;
use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use metrics::Label;
use tracing::Span;
use tracing::field::Empty;

use crate::attributes;
use crate::observation::{Observation, Side};

/// The pattern that a request's path matched.
type Route = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// A layer that observes the requests of a server.
///
/// With [`Server::expose_connection_info`](dipole_http::Server::expose_connection_info) spans tell
/// the client's address, and both tell the network library of each connection.
#[derive(Clone)]
pub struct ServerTelemetry {
    route: Option<Arc<Route>>,
}

impl Default for ServerTelemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerTelemetry {
    /// Tells the recorder what the metrics are: install it before.
    #[must_use]
    pub fn new() -> Self {
        Side::Server.describe();
        Self { route: None }
    }

    /// How to find the pattern that a request's path matched, such as `/users/{id}`. It becomes a
    /// label: never give the path itself.
    #[must_use]
    pub fn route(
        mut self,
        route: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.route = Some(Arc::new(route));
        self
    }

    pub(crate) fn begin(&self, request: &Parts) -> Observation {
        let method = attributes::method(&request.method);
        let info = request.extensions.get::<ConnectionInfo>();
        let route = self.route.as_ref().and_then(|route| route(request));
        // RFC 9110 section 4.2: a request in origin form has no scheme of its own.
        let is_secure = info.is_some_and(|info| info.tls().is_some());
        let scheme = request.uri.scheme_str().unwrap_or(if is_secure { "https" } else { "http" });
        let scheme = if scheme == "https" { "https" } else { "http" };
        let version = attributes::version(request.version);

        let mut labels = vec![
            Label::new("http.request.method", method),
            Label::new("url.scheme", scheme),
            Label::new("network.protocol.version", version),
        ];
        let route_label = route.clone().map(|route| Label::new("http.route", route));
        labels.extend(route_label);
        labels.extend(info.map(|info| attributes::network(info.network())));
        let span = span(request, method, scheme, version, route.as_deref());
        if let Some(info) = info {
            let peer = info.peer_addr();
            span.record("network.peer.address", peer.to_string());
            span.record("client.address", address(peer));
            span.record("network.transport", attributes::transport(peer, request.version));
            span.record(attributes::NETWORK, info.network());
        }
        Observation::begin(Side::Server, span, labels, attributes::content_length(&request.headers))
    }
}

/// A client by its IP address, where it has one.
fn address(peer: &dipole_net::Addr) -> String {
    peer.ip().map_or_else(|| peer.to_string(), |addr| addr.ip().to_string())
}

fn span(
    request: &Parts,
    method: &'static str,
    scheme: &'static str,
    version: &'static str,
    route: Option<&str>,
) -> Span {
    let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    // RFC 9112 section 3.2: without an authority in the target, `host` has it.
    let host = authority.or_else(|| text(&HOST));
    let named = if method == "_OTHER" { "HTTP" } else { method };
    let name = route.map_or_else(|| named.to_owned(), |route| format!("{named} {route}"));
    let span = tracing::info_span!(
        "http.server.request",
        otel.kind = "server",
        otel.name = name,
        otel.status_code = Empty,
        http.request.method = method,
        http.request.method_original = Empty,
        http.route = route,
        url.scheme = scheme,
        url.path = request.uri.path(),
        url.query = request.uri.query(),
        server.address = host,
        user_agent.original = text(&USER_AGENT),
        client.address = Empty,
        network.peer.address = Empty,
        network.transport = Empty,
        network.protocol.name = "http",
        network.protocol.version = version,
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

impl fmt::Debug for ServerTelemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTelemetry").finish_non_exhaustive()
    }
}
