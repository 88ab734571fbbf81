//! Responses in one line.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};

use crate::{Body, BodyError, BoxError};

/// How large a body [`ResponseExt::bytes`], `text` and `json` take, in bytes: 16 MiB. Each has a form
/// that is told a limit.
pub const DEFAULT_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Shorter calls over a response.
///
/// Each reads the body to its end, which is what lets its connection take the next request.
pub trait ResponseExt: Sized {
    /// The whole body, of at most [`DEFAULT_BODY_LIMIT`].
    ///
    /// # Errors
    /// [`BodyError::TooLarge`], and the body's own.
    fn bytes(self) -> impl Future<Output = Result<Bytes, BodyError>> + Send {
        self.bytes_within(DEFAULT_BODY_LIMIT)
    }

    /// The whole body, of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes).
    fn bytes_within(self, limit: usize) -> impl Future<Output = Result<Bytes, BodyError>> + Send;

    /// The whole body as text, of at most [`DEFAULT_BODY_LIMIT`]; see
    /// [`text_within`](Self::text_within).
    ///
    /// # Errors
    /// As `text_within`.
    fn text(self) -> impl Future<Output = Result<String, ReadError>> + Send {
        self.text_within(DEFAULT_BODY_LIMIT)
    }

    /// The whole body as text, of at most `limit` bytes. It is UTF-8 where `Content-Type` says no
    /// other character set; what is none becomes U+FFFD.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ReadError::Charset`] for any but UTF-8, US-ASCII and
    /// ISO-8859-1.
    fn text_within(self, limit: usize) -> impl Future<Output = Result<String, ReadError>> + Send;

    /// What the body says in JSON, of at most [`DEFAULT_BODY_LIMIT`]. `Content-Type` is not asked.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`ReadError::Json`].
    #[cfg(feature = "serde")]
    fn json<T: serde::de::DeserializeOwned>(
        self,
    ) -> impl Future<Output = Result<T, ReadError>> + Send {
        self.json_within(DEFAULT_BODY_LIMIT)
    }

    /// What the body says in JSON, of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    #[cfg(feature = "serde")]
    fn json_within<T: serde::de::DeserializeOwned>(
        self,
        limit: usize,
    ) -> impl Future<Output = Result<T, ReadError>> + Send;

    /// The next piece of the body; `None` at its end. Trailers are passed over.
    ///
    /// # Errors
    /// The body's.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, BodyError>> + Send;

    /// The body's pieces as they come; trailers are left out. Dropped before its end it ends the
    /// response.
    fn stream(self) -> BodyStream;

    /// The response, unless its status says that something is wrong.
    ///
    /// # Errors
    /// A status of 400 or above.
    fn error_for_status(self) -> Result<Self, StatusError>;
}

impl ResponseExt for Response<Body> {
    async fn bytes_within(self, limit: usize) -> Result<Bytes, BodyError> {
        self.into_body().into_bytes(limit).await
    }

    async fn text_within(self, limit: usize) -> Result<String, ReadError> {
        let charset = Charset::of(self.headers())?;
        let bytes = self.bytes_within(limit).await?;
        Ok(match charset {
            Charset::Utf8 => String::from_utf8_lossy(&bytes).into_owned(),
            Charset::Latin1 => bytes.iter().copied().map(char::from).collect(),
        })
    }

    #[cfg(feature = "serde")]
    async fn json_within<T: serde::de::DeserializeOwned>(
        self,
        limit: usize,
    ) -> Result<T, ReadError> {
        let bytes = self.bytes_within(limit).await?;
        serde_json::from_slice(&bytes).map_err(|error| ReadError::Json(error.into()))
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        poll_fn(|cx| poll_data(self.body_mut(), cx)).await.transpose()
    }

    fn stream(self) -> BodyStream {
        BodyStream { body: self.into_body() }
    }

    fn error_for_status(self) -> Result<Self, StatusError> {
        let status = self.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(StatusError { status });
        }
        Ok(self)
    }
}

/// A body as a stream of its pieces; see [`ResponseExt::stream`].
#[derive(Debug)]
pub struct BodyStream {
    body: Body,
}

impl Stream for BodyStream {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        poll_data(&mut self.body, cx)
    }
}

fn poll_data(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
    loop {
        match ready!(Pin::new(&mut *body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            Some(Ok(Ok(data))) => return Poll::Ready(Some(Ok(data))),
            Some(Ok(Err(_trailers))) => {}
        }
    }
}

/// The character sets that need no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Latin1,
}

impl Charset {
    /// RFC 9110 section 8.3.2.
    fn of(headers: &HeaderMap) -> Result<Self, ReadError> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Utf8) };
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let mut parameters = text.split(';').skip(1).filter_map(|part| part.split_once('='));
        let Some((_, name)) = parameters.find(|(name, _)| name.trim() == "charset") else {
            return Ok(Self::Utf8);
        };
        match name.trim().trim_matches('"') {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(Self::Utf8),
            "iso-8859-1" | "latin1" => Ok(Self::Latin1),
            other => Err(ReadError::Charset(other.to_owned())),
        }
    }
}

/// Why a response could not be read as what it was to be.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The body did not come whole.
    Body(BodyError),
    /// It is text in this character set, which is none of the few that are known here: take its
    /// bytes.
    Charset(String),
    /// It is not the JSON that was expected; the source says where.
    Json(BoxError),
}

impl From<BodyError> for ReadError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(error) => error.fmt(f),
            Self::Charset(name) => write!(f, "the text is in {name:?}; decode its bytes"),
            Self::Json(error) => write!(f, "the body is not the JSON that was expected: {error}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Body(error) => Some(error),
            Self::Charset(_) => None,
            Self::Json(error) => Some(&**error),
        }
    }
}

/// A response that says that something is wrong; see [`ResponseExt::error_for_status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusError {
    status: StatusCode,
}

impl StatusError {
    /// What it said, 400 or above.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)
    }
}

impl std::error::Error for StatusError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_set_is_utf_8_unless_said_otherwise() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().expect("a value"));
            Charset::of(&headers).map_err(|error| error.to_string())
        };
        assert_eq!(Charset::of(&HeaderMap::new()).ok(), Some(Charset::Utf8));
        assert_eq!(of("text/plain"), Ok(Charset::Utf8));
        assert_eq!(of("text/plain; charset=\"UTF-8\""), Ok(Charset::Utf8));
        assert_eq!(of("text/plain;a=b; Charset=iso-8859-1"), Ok(Charset::Latin1));
        assert!(of("text/plain; charset=koi8-r").is_err_and(|text| text.contains("koi8-r")));
    }
}
