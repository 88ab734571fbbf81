//! Spans and metrics of HTTP requests, by OpenTelemetry's semantic conventions.
//!
//! Two tower layers: [`ServerTelemetry`] around the service that a server serves, and
//! [`ClientTelemetry`] around a client. Each request gets a `tracing` span and is counted through the
//! `metrics` facade, from its beginning until the last byte of its response's body has passed, or
//! until it is given up. Which subscriber and which recorder take them is the application's choice;
//! without any, little more than a few atomic reads is left of both.
//!
//! | metric | kind | unit |
//! |---|---|---|
//! | `http.server.request.duration`, `http.client.request.duration` | histogram | seconds |
//! | `http.server.active_requests`, `http.client.active_requests` | gauge | requests |
//! | `http.server.request.body.size`, `http.client.request.body.size` | histogram | bytes, where `content-length` says |
//! | `http.server.response.body.size`, `http.client.response.body.size` | histogram | bytes that passed |
//!
//! Their labels: `http.request.method`, `url.scheme` (server) or `server.address` and `server.port`
//! (client), `network.protocol.version`, `http.route` where it is known, `http.response.status_code`,
//! `error.type` for what failed, and `dipole.network`, the network library that carried it: known once
//! there is a response (client), or where the server exposes it
//! ([`expose_connection_info`](dipole_http::Server::expose_connection_info)).
//!
//! ```
//! use axum::{Router, routing::get};
//! use axum::extract::MatchedPath;
//! use dipole_observe::ServerTelemetry;
//!
//! let telemetry = ServerTelemetry::new().route(|request| {
//!     request.extensions.get::<MatchedPath>().map(|path| path.as_str().into())
//! });
//! // Inside the router, where the route is known already.
//! let app: Router = Router::new().route("/users/{id}", get(|| async { "hello" })).layer(telemetry);
//! ```
//!
//! Conventions: <https://opentelemetry.io/docs/specs/semconv/http/>. Spans carry `otel.kind`,
//! `otel.name` and `otel.status_code`, which `tracing-opentelemetry` understands.

#![forbid(unsafe_code)]

mod attributes;
mod body;
mod client;
mod error_type;
mod future;
mod observation;
mod observed;
mod server;

pub use body::ObservedBody;
pub use client::ClientTelemetry;
pub use error_type::ErrorType;
pub use future::Observing;
pub use observed::Observed;
pub use server::ServerTelemetry;
