//! `bare_http` with axum's `Router` for its handler: the price of axum, whoever serves it.

use tower::Service;

use crate::{Prepared, Scenario, bare_http, routes};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    bare_http::prepare_with(scenario, batches, || {
        let mut router = routes::router();
        move |request| router.call(request)
    })
}
