//! hyper's HTTP/1 connection, as ../compare sets it up.

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::{Prepared, Scenario, handler};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    Prepared::new(
        |client| {
            let connection =
                http.serve_connection(TokioIo::new(client), service_fn(handler::answer));
            Box::pin(async { connection.await.expect("the client does not break off") })
        },
        scenario,
        batches,
    )
}
