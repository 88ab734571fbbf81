//! The axum routes of every server here that has axum.

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;

use crate::scenario::HELLO;

/// `GET /` and `POST /echo`.
pub(crate) fn router() -> Router {
    Router::new().route("/", get(async || HELLO)).route("/echo", post(async |body: Bytes| body))
}
