//! A request that may be sent more than once.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use dipole_http::Body;
use http::{Request, Response, request};
use http_body::Body as HttpBody;

/// How much of a response that nobody wants is read, so that its connection can be used again, in
/// bytes.
const MOST_UNWANTED: u64 = 16 * 1024;

/// A request whose body is kept if it is all there.
pub(crate) struct Repeatable {
    pub(crate) parts: request::Parts,
    /// `None` when the body is a stream, which can be had once.
    pub(crate) body: Option<Bytes>,
}

impl Repeatable {
    /// The request to be sent first, and what is kept of it.
    pub(crate) fn of(request: Request<Body>) -> (Request<Body>, Self) {
        let (parts, body) = request.into_parts();
        let kept = Self { parts: parts.clone(), body: body.held() };
        (Request::from_parts(parts, body), kept)
    }

    /// The request once more; `None` when its body is gone.
    pub(crate) fn again(&self) -> Option<Request<Body>> {
        let body = Body::full(self.body.clone()?);
        Some(Request::from_parts(self.parts.clone(), body))
    }
}

/// Reads what is left of a response, if that is little, so that its connection is kept.
pub(crate) async fn drain(response: Response<Body>) {
    let mut body = response.into_body();
    let mut left = MOST_UNWANTED;
    if body.size_hint().lower() > left {
        return;
    }
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        if length > left {
            return;
        }
        left -= length;
    }
}
