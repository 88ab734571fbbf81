//! One request under observation, from its beginning to its end.

use std::borrow::Cow;

use dipole_http::ConnectionReport;
use http::{Response, StatusCode, Version};
use metrics::{Label, SharedString};
use tokio::time::Instant;
use tracing::Span;

use crate::attributes;

/// Which end of the connection observes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// The names of one side's metrics.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) duration: &'static str,
    pub(crate) active: &'static str,
    pub(crate) request_size: &'static str,
    pub(crate) response_size: &'static str,
}

impl Side {
    pub(crate) fn names(self) -> &'static Names {
        match self {
            Self::Server => &Names {
                duration: "http.server.request.duration",
                active: "http.server.active_requests",
                request_size: "http.server.request.body.size",
                response_size: "http.server.response.body.size",
            },
            Self::Client => &Names {
                duration: "http.client.request.duration",
                active: "http.client.active_requests",
                request_size: "http.client.request.body.size",
                response_size: "http.client.response.body.size",
            },
        }
    }

    /// Tells the recorder what the metrics are.
    pub(crate) fn describe(self) {
        use metrics::{Unit, describe_gauge, describe_histogram};
        let Names { duration, active, request_size, response_size } = self.names();
        describe_histogram!(*duration, Unit::Seconds, "How long requests take, to the last byte");
        describe_gauge!(*active, Unit::Count, "Requests under way");
        describe_histogram!(*request_size, Unit::Bytes, "The size of requests' bodies");
        describe_histogram!(*response_size, Unit::Bytes, "The size of responses' bodies");
    }

    /// True when a response of this status is a failure of this side's: the server's own, or any
    /// that a client did not want.
    fn is_failure(self, status: StatusCode) -> bool {
        status.is_server_error() || self == Self::Client && status.is_client_error()
    }
}

/// A request that is under way. It ends when it is dropped, whatever the reason.
pub(crate) struct Observation {
    side: Side,
    started: Instant,
    span: Span,
    /// Those of the gauge, which has to go down under the labels it went up with.
    active: Vec<Label>,
    labels: Vec<Label>,
    request_size: Option<u64>,
    response_size: Option<u64>,
    error: Option<Cow<'static, str>>,
    is_whole: bool,
}

impl Observation {
    /// Begins, under these labels.
    pub(crate) fn begin(
        side: Side,
        span: Span,
        labels: Vec<Label>,
        request_size: Option<u64>,
    ) -> Self {
        metrics::gauge!(side.names().active, labels.iter()).increment(1);
        Self {
            side,
            started: Instant::now(),
            span,
            active: labels.clone(),
            labels,
            request_size,
            response_size: None,
            error: None,
            is_whole: false,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    /// The response's head is there.
    pub(crate) fn responded<B>(&mut self, response: &Response<B>) {
        let status = response.status();
        self.span.record("http.response.status_code", status.as_u16());
        self.label("http.response.status_code", status.as_str().to_owned());
        if self.side == Side::Client {
            let version = attributes::version(response.version());
            self.span.record("network.protocol.version", version);
            self.label("network.protocol.version", version);
            if let Some(report) = response.extensions().get::<ConnectionReport>() {
                self.carried(report, response.version());
            }
        }
        if self.side.is_failure(status) {
            self.error = Some(status.as_str().to_owned().into());
        }
        self.response_size = Some(0);
    }

    /// What a client's response came over.
    fn carried(&mut self, report: &ConnectionReport, version: Version) {
        self.span.record("network.peer.address", report.peer.to_string());
        self.span.record("network.transport", attributes::transport(&report.peer, version));
        self.span.record(attributes::NETWORK, report.network);
        self.labels.push(attributes::network(report.network));
    }

    /// A piece of the response's body has passed.
    pub(crate) fn passed(&mut self, bytes: usize) {
        *self.response_size.get_or_insert(0) += bytes as u64;
    }

    /// It went wrong.
    pub(crate) fn failed(&mut self, error: Cow<'static, str>) {
        self.error = Some(error);
        self.is_whole = true;
    }

    /// It came to its end.
    pub(crate) fn completed(&mut self) {
        self.is_whole = true;
    }

    fn label(&mut self, name: &'static str, value: impl Into<SharedString>) {
        self.labels.push(Label::new(name, value));
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let names = self.side.names();
        metrics::gauge!(names.active, self.active.iter()).decrement(1);
        if !self.is_whole {
            self.error.get_or_insert(Cow::Borrowed("cancelled"));
        }
        if let Some(error) = self.error.take() {
            self.span.record("error.type", &*error);
            self.span.record("otel.status_code", "ERROR");
            self.label("error.type", error);
        }
        let labels = &self.labels;
        metrics::histogram!(names.duration, labels.iter()).record(self.started.elapsed());
        if let Some(size) = self.request_size {
            self.span.record("http.request.body.size", size);
            metrics::histogram!(names.request_size, labels.iter()).record(size as f64);
        }
        if let Some(size) = self.response_size {
            self.span.record("http.response.body.size", size);
            metrics::histogram!(names.response_size, labels.iter()).record(size as f64);
        }
    }
}
