//! Handlers, and what they have seen.

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dipole_http::{Body, BodyError, HttpService};
use http::{HeaderMap, Request, Response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use tower::service_fn;

/// A service out of a function that cannot fail.
pub(crate) fn handler<F, A, B>(function: F) -> impl HttpService<ResponseBody = B>
where
    F: Fn(Request<Body>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody<Data: Send, Error: Into<dipole_http::BoxError>> + Send + 'static,
{
    service_fn(move |request| {
        let answer = function(request);
        async move { Ok::<_, Infallible>(answer.await) }
    })
}

/// A 200 with this text.
pub(crate) fn text(text: impl Into<String>) -> Response<Body> {
    Response::new(Body::from(text.into()))
}

/// What handlers have seen, in the order in which they did.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Calls {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.seen.lock().expect("nobody panics here").push(what.into());
    }

    pub(crate) fn list(&self) -> Vec<String> {
        self.seen.lock().expect("nobody panics here").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.list().len()
    }

    /// A value that notes when it is dropped.
    pub(crate) fn note_drop(&self, what: &'static str) -> impl Send + 'static + use<> {
        struct Noted(Calls, &'static str);
        impl Drop for Noted {
            fn drop(&mut self) {
                self.0.note(self.1);
            }
        }
        Noted(self.clone(), what)
    }
}

/// A whole body and its trailers.
pub(crate) async fn read_all(body: Body) -> Result<(Bytes, Option<HeaderMap>), BodyError> {
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

/// A whole request in words: what two deliveries of the same bytes have to agree on.
pub(crate) async fn describe(request: Request<Body>) -> String {
    let (parts, body) = request.into_parts();
    let mut words = format!("{} {} {:?}", parts.method, parts.uri, parts.version);
    for (name, value) in &parts.headers {
        let _ = write!(words, " | {name}: {}", value.as_bytes().escape_ascii());
    }
    match read_all(body).await {
        Ok((data, trailers)) => {
            let _ = write!(words, " | {}", data.escape_ascii());
            for (name, value) in trailers.iter().flatten() {
                let _ = write!(words, " | {name}: {}", value.as_bytes().escape_ascii());
            }
        }
        Err(error) => {
            let _ = write!(words, " | {error}");
        }
    }
    words
}
