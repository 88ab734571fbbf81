//! The axum routes that `axum` and `dipole_axum` both serve.

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;

use crate::{HELLO, mebibyte};

/// `GET /`, `POST /echo` and `GET /1m`; everything else is a 404.
pub fn router() -> Router {
    Router::new()
        .route("/", get(async || HELLO))
        .route("/echo", post(async |body: Bytes| body))
        .route("/1m", get(async || mebibyte()))
}
