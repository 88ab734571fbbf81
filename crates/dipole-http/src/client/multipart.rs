//! Forms of several parts, `multipart/form-data` (RFC 7578).

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{Body, BodyError};

/// A form of several parts: fields and files. See [`RequestBuilder::multipart`].
///
/// Parts are sent in the order in which they were added; a part that is a streamed [`Body`] is not
/// held in memory. Where all lengths are known, so is the form's.
///
/// [`RequestBuilder::multipart`]: crate::RequestBuilder::multipart
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    /// In the order in which they are sent.
    segments: VecDeque<Body>,
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Multipart {
    /// A form without parts, whose boundary nobody can foresee.
    #[must_use]
    pub fn new() -> Self {
        // Two keys of the system's randomness: a part does not have them by chance.
        let random = || RandomState::new().hash_one(());
        Self::with_boundary(&format!("{:016x}{:016x}", random(), random()))
            .expect("hexadecimal digits make a boundary")
    }

    /// A form whose parts are known not to have `boundary` in them. `None` when it is none: 1 to 70
    /// letters, digits, `-` and `_`.
    #[must_use]
    pub fn with_boundary(boundary: &str) -> Option<Self> {
        let is_one = (1..=70).contains(&boundary.len())
            && boundary.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        is_one.then(|| Self { boundary: boundary.to_owned(), segments: VecDeque::new() })
    }

    /// One field more.
    #[must_use]
    pub fn text(self, name: &str, value: impl Into<String>) -> Self {
        self.part(name, None, None, Body::from(value.into()))
    }

    /// One file more: its name, its media type, and its content.
    #[must_use]
    pub fn file(
        self,
        name: &str,
        file_name: &str,
        media_type: &HeaderValue,
        content: impl Into<Body>,
    ) -> Self {
        self.part(name, Some(file_name), Some(media_type), content.into())
    }

    fn part(
        mut self,
        name: &str,
        file_name: Option<&str>,
        media_type: Option<&HeaderValue>,
        content: Body,
    ) -> Self {
        let mut head = format!("--{}\r\n", self.boundary);
        head += "content-disposition: form-data; name=\"";
        push_escaped(&mut head, name);
        if let Some(file_name) = file_name {
            head += "\"; filename=\"";
            push_escaped(&mut head, file_name);
        }
        head += "\"\r\n";
        let mut head = head.into_bytes();
        if let Some(media_type) = media_type {
            head.extend_from_slice(b"content-type: ");
            head.extend_from_slice(media_type.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.segments.extend([Body::from(head), content, Body::from("\r\n")]);
        self
    }

    /// The value of `Content-Type` that goes with the body.
    #[must_use]
    pub fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/form-data; boundary={}", self.boundary);
        HeaderValue::try_from(text).expect("a boundary has letters alone that a field may have")
    }

    /// All of it. A form that has bytes alone can be sent again.
    #[must_use]
    pub fn into_body(mut self) -> Body {
        self.segments.push_back(Body::from(format!("--{}--\r\n", self.boundary)));
        match self.segments.iter().map(Body::held).collect::<Option<Vec<_>>>() {
            Some(held) => Body::from(held.concat()),
            None => Body::new(Segments { segments: self.segments }),
        }
    }
}

/// As browsers write it (WHATWG, "Multipart form data"): what would end the value is encoded.
fn push_escaped(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("%22"),
            '\r' => text.push_str("%0D"),
            '\n' => text.push_str("%0A"),
            _ => text.push(letter),
        }
    }
}

struct Segments {
    segments: VecDeque<Body>,
}

impl HttpBody for Segments {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        while let Some(segment) = self.segments.front_mut() {
            match ready!(Pin::new(segment).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                // The trailers of a part are not the form's.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => drop(self.segments.pop_front()),
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.segments.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.segments.iter().map(|segment| segment.size_hint().exact());
        let total = lengths.into_iter().try_fold(0u64, |total, length| total.checked_add(length?));
        total.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bytes(body: Body) -> String {
        let bytes = body.into_bytes(10_000).await.expect("a whole body");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    const EXPECTED: &str = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
        --b\r\ncontent-disposition: form-data; name=\"f%22\"; filename=\"x%0D%0Ay\"\r\n\
        content-type: text/plain\r\n\r\nhello\r\n--b--\r\n";

    fn form(content: Body) -> Multipart {
        let form = Multipart::with_boundary("b").expect("a boundary").text("a", "1");
        form.file("f\"", "x\r\ny", &HeaderValue::from_static("text/plain"), content)
    }

    #[tokio::test]
    async fn parts_are_framed_in_order() {
        let form = form(Body::from("hello"));
        assert_eq!(form.content_type(), "multipart/form-data; boundary=b");
        let body = form.into_body();
        assert!(body.held().is_some(), "bytes alone can be sent again");
        assert_eq!(bytes(body).await, EXPECTED);
    }

    #[tokio::test]
    async fn a_streamed_part_is_sent_as_it_comes() {
        let body = form(Body::new(Segments { segments: [Body::from("hello")].into() })).into_body();
        assert!(body.held().is_none());
        assert_eq!(body.size_hint().exact(), Some(EXPECTED.len() as u64));
        assert_eq!(bytes(body).await, EXPECTED);
    }

    #[test]
    fn a_boundary_is_a_word_and_never_the_same() {
        assert!(Multipart::with_boundary("").is_none());
        assert!(Multipart::with_boundary("a b").is_none());
        assert!(Multipart::with_boundary(&"a".repeat(71)).is_none());
        assert_ne!(Multipart::new().content_type(), Multipart::new().content_type());
    }
}
