//! Answers that are one text.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full};

use super::files::Content;

/// A plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Content> {
    answer(status, "text/plain; charset=utf-8", text.into())
}

/// A page of HTML.
pub(super) fn html(status: StatusCode, html: impl Into<Bytes>) -> Response<Content> {
    answer(status, "text/html; charset=utf-8", html.into())
}

fn answer(status: StatusCode, media_type: &'static str, body: Bytes) -> Response<Content> {
    let mut response = Response::new(Either::Right(Full::new(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
