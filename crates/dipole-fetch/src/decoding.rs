//! Compressed bodies, by tower-http.

use std::task::{Context, Poll};

use dipole_http::{Body, ClientError};
use http::{Request, Response};
use tower_http::decompression::{Decompression, DecompressionLayer};
use tower_layer::Layer;
use tower_service::Service;

/// Asks for compressed bodies (`Accept-Encoding`) and decodes what comes, in the encodings that are
/// features of this crate: `gzip`, `br`, `zstd`, `deflate`.
///
/// A response that was decoded has neither `Content-Encoding` nor `Content-Length` any more. A few
/// bytes may become very many: whoever collects a body has a limit
/// ([`ResponseExt`](dipole_http::ResponseExt)), which counts decoded bytes. A request that has
/// `Accept-Encoding` or `Range` already keeps it; what comes is decoded all the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Decoding;

/// A body that is decoded as it is read.
pub type DecodingBody = tower_http::decompression::DecompressionBody<Body>;

/// A client that decodes; see [`Decoding`].
#[derive(Debug, Clone)]
pub struct DecodingService<S> {
    service: Decompression<S>,
}

impl<S> Layer<S> for Decoding {
    type Service = DecodingService<S>;

    fn layer(&self, service: S) -> DecodingService<S> {
        DecodingService { service: DecompressionLayer::new().layer(service) }
    }
}

impl<S> Service<Request<Body>> for DecodingService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = ClientError>,
{
    type Response = Response<DecodingBody>;
    type Error = ClientError;
    type Future = <Decompression<S> as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.service.call(request)
    }
}
