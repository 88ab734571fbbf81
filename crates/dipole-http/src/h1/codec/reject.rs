//! Why a message is refused, and the answer that says so.

use std::fmt;

use http::StatusCode;

use super::encode::DateLine;

/// A fault of the peer's message. What follows it on the connection has no meaning any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reject {
    /// A line that ends in LF alone, or a CR without its LF.
    LineEnd,
    /// A line that begins with white space (obs-fold).
    Fold,
    /// The start line is not one of HTTP/1.
    StartLine,
    /// The version is not one of HTTP/1.
    Version,
    /// The method is not a token.
    Method,
    /// The request target is none of the four forms.
    Target,
    /// The request target is too long.
    TargetTooLong,
    /// The head is too long.
    HeadTooLong,
    /// The head has too many fields.
    TooManyFields,
    /// A field's name is not a token, or white space comes before the colon.
    FieldName,
    /// A field's value has a control character.
    FieldValue,
    /// No `Host`.
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// `Host` is not a host and port.
    Host,
    /// `Content-Length` is not a number.
    ContentLength,
    /// More than one `Content-Length`, or a list of them.
    ContentLengthRepeated,
    /// `Content-Length` and `Transfer-Encoding` together.
    BothLengths,
    /// `Transfer-Encoding` does not end in chunked, or has it twice.
    TransferEncoding,
    /// `Transfer-Encoding` in HTTP/1.0.
    TransferEncodingOld,
    /// A transfer coding that is not known here.
    TransferCodingUnknown,
    /// `Expect` of something else than 100-continue.
    Expectation,
    /// A chunk's size, its line, or the line end after its data.
    Chunk,
    /// Too many bytes of chunk extensions.
    ChunkExtensions,
    /// A field that must not come after the body.
    TrailerField,
    /// The trailers are too long.
    TrailersTooLong,
}

impl Reject {
    /// The status of the answer, for a server.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLong | Self::TooManyFields | Self::TrailersTooLong => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::TransferCodingUnknown => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// One line for people, without its line end.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::LineEnd => "a line must end in CR LF",
            Self::Fold => "a field line must not begin with white space",
            Self::StartLine => "the first line is not one of HTTP/1.1",
            Self::Version => "only HTTP/1.0 and HTTP/1.1 are spoken here",
            Self::Method => "the method must be a token",
            Self::Target => "the request target is malformed",
            Self::TargetTooLong => "the request target is too long",
            Self::HeadTooLong => "the header section is too long",
            Self::TooManyFields => "too many header fields",
            Self::FieldName => "a field name must be a token, directly before its colon",
            Self::FieldValue => "a field value must not have control characters",
            Self::HostMissing => "a Host field is missing",
            Self::HostRepeated => "more than one Host field",
            Self::Host => "the Host field must be a host and an optional port",
            Self::ContentLength => "Content-Length must be a decimal number",
            Self::ContentLengthRepeated => "more than one Content-Length",
            Self::BothLengths => "Content-Length and Transfer-Encoding together",
            Self::TransferEncoding => "Transfer-Encoding must end in chunked, once",
            Self::TransferEncodingOld => "HTTP/1.0 has no Transfer-Encoding",
            Self::TransferCodingUnknown => "the only transfer coding known here is chunked",
            Self::Expectation => "the only expectation known here is 100-continue",
            Self::Chunk => "a chunk is malformed",
            Self::ChunkExtensions => "too many chunk extensions",
            Self::TrailerField => "a field that must not be a trailer",
            Self::TrailersTooLong => "the trailer section is too long",
        }
    }
}

/// A whole answer with a text of one line, after which the connection closes.
pub(crate) fn canned(status: StatusCode, text: &str, date: Option<&DateLine>) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         connection: close\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        text.len() + 1,
    )
    .into_bytes();
    if let Some(date) = date {
        answer.extend_from_slice(date);
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(text.as_bytes());
    answer.push(b'\n');
    answer
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Reject {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_whole_response_that_closes() {
        let reject = Reject::TargetTooLong;
        let date = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let answer = canned(reject.status(), reject.text(), Some(date));
        assert_eq!(
            String::from_utf8(answer).expect("ASCII"),
            "HTTP/1.1 414 URI Too Long\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: 31\r\nconnection: close\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             \r\nthe request target is too long\n"
        );
        let answer = canned(StatusCode::REQUEST_TIMEOUT, "too slow", None);
        assert!(answer.ends_with(b"connection: close\r\n\r\ntoo slow\n"));
    }
}
