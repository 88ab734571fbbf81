//! Where the body of a message ends (RFC 9112 section 6.3).

use http::{HeaderMap, Method, StatusCode, Version};

use super::chunked::ChunkedDecoder;
use super::fields::{Coding, Facts};
use super::head::HeadLimits;
use super::reject::Reject;

/// The body that follows a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// There is none, or one of no bytes.
    None,
    /// So many bytes, at least one.
    Length(u64),
    /// In the chunked coding.
    Chunked,
}

/// The body that follows a response's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponseFraming {
    /// There is none, or one of no bytes.
    None,
    /// So many bytes, at least one.
    Length(u64),
    /// In the chunked coding.
    Chunked,
    /// All that comes before the end of the connection.
    UntilClose,
}

pub(super) fn of_request(version: Version, facts: &Facts) -> Result<BodyFraming, Reject> {
    match (declared(version, facts)?, facts.coding) {
        (Declared::Nothing, _) => Ok(BodyFraming::None),
        (Declared::Length(0), _) => Ok(BodyFraming::None),
        (Declared::Length(length), _) => Ok(BodyFraming::Length(length)),
        (Declared::Coded, Coding::Chunked) => Ok(BodyFraming::Chunked),
        // RFC 9112 6.1: a server that does not understand a coding should answer 501.
        (Declared::Coded, Coding::OthersThenChunked) => Err(Reject::TransferCodingUnknown),
        // RFC 9112 6.3: when chunked is not the last one, the server must answer 400 and close.
        (Declared::Coded, _) => Err(Reject::TransferEncoding),
    }
}

/// `method` is the request's.
pub(super) fn of_response(
    method: &Method,
    status: StatusCode,
    version: Version,
    facts: &Facts,
) -> Result<ResponseFraming, Reject> {
    let declared = declared(version, facts)?;
    // RFC 9112 6.3, rules 1 and 2: no body, whatever the fields say.
    let has_none = *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || (*method == Method::CONNECT && status.is_success());
    match (declared, facts.coding) {
        _ if has_none => Ok(ResponseFraming::None),
        (Declared::Nothing, _) => Ok(ResponseFraming::UntilClose),
        (Declared::Length(0), _) => Ok(ResponseFraming::None),
        (Declared::Length(length), _) => Ok(ResponseFraming::Length(length)),
        (Declared::Coded, Coding::Chunked) => Ok(ResponseFraming::Chunked),
        (Declared::Coded, Coding::OthersThenChunked) => Err(Reject::TransferCodingUnknown),
        (Declared::Coded, _) => Err(Reject::TransferEncoding),
    }
}

enum Declared {
    Nothing,
    Length(u64),
    Coded,
}

fn declared(version: Version, facts: &Facts) -> Result<Declared, Reject> {
    match (facts.coding, facts.content_length) {
        (Coding::Absent, None) => Ok(Declared::Nothing),
        (Coding::Absent, Some(length)) => Ok(Declared::Length(length)),
        // RFC 9112 6.1: a message of HTTP/1.0 with Transfer-Encoding has faulty framing.
        _ if version == Version::HTTP_10 => Err(Reject::TransferEncodingOld),
        // RFC 9112 6.3: such a message might be an attempt at smuggling and ought to be an error.
        (_, Some(_)) => Err(Reject::BothLengths),
        (_, None) => Ok(Declared::Coded),
    }
}

/// Does the connection go on after this message? (RFC 9112 section 9.3)
pub(super) fn keep_alive(version: Version, facts: &Facts) -> bool {
    !facts.connection.close && (version == Version::HTTP_11 || facts.connection.keep_alive)
}

/// Takes a body out of the bytes that a connection holds, whatever its framing.
#[derive(Debug)]
pub(crate) enum BodyDecoder {
    /// So many bytes are still to come.
    Length(u64),
    /// In the chunked coding.
    Chunked(ChunkedDecoder),
    /// All that comes before the end of the connection, which only the connection sees.
    UntilClose,
}

/// What to do next with the bytes that a connection holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Consume `skip` bytes, then wait until more than `beyond` bytes are held.
    More {
        /// Bytes of framing.
        skip: usize,
        /// Bytes that stay held, and are not enough.
        beyond: usize,
    },
    /// Consume `skip` bytes of framing; the `len` bytes after them are data, at least one.
    Data {
        /// Bytes of framing.
        skip: usize,
        /// Bytes of the body, to be consumed too.
        len: usize,
    },
    /// Consume `skip` bytes of framing; the body has ended.
    End {
        /// Bytes of framing.
        skip: usize,
        /// The fields after the body, when there are any.
        trailers: Option<Box<HeaderMap>>,
    },
}

impl BodyDecoder {
    /// For the body of a request.
    pub(crate) fn of_request(framing: BodyFraming, limits: &HeadLimits) -> Self {
        match framing {
            BodyFraming::None => Self::Length(0),
            BodyFraming::Length(length) => Self::Length(length),
            BodyFraming::Chunked => Self::Chunked(ChunkedDecoder::new(limits)),
        }
    }

    /// For the body of a response.
    pub(crate) fn of_response(framing: ResponseFraming, limits: &HeadLimits) -> Self {
        match framing {
            ResponseFraming::None => Self::Length(0),
            ResponseFraming::Length(length) => Self::Length(length),
            ResponseFraming::Chunked => Self::Chunked(ChunkedDecoder::new(limits)),
            ResponseFraming::UntilClose => Self::UntilClose,
        }
    }

    /// The next step, with `held` the unread bytes of the connection. The caller does as the step
    /// says before it asks again.
    ///
    /// # Errors
    /// The peer's framing is wrong; nothing more can be read from the connection.
    pub(crate) fn decode(&mut self, held: &[u8]) -> Result<Step, Reject> {
        match self {
            Self::Length(0) => Ok(Step::End { skip: 0, trailers: None }),
            Self::Length(_) | Self::UntilClose if held.is_empty() => {
                Ok(Step::More { skip: 0, beyond: 0 })
            }
            Self::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(held.len());
                *left -= len as u64;
                Ok(Step::Data { skip: 0, len })
            }
            Self::UntilClose => Ok(Step::Data { skip: 0, len: held.len() }),
            Self::Chunked(decoder) => decoder.decode(held),
        }
    }

    /// Bytes of the body that are still to come; `None` when only its end will tell.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}
