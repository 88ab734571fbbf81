//! Taking an answer in.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, stderr};
use std::pin::pin;
use std::time::Instant;

use bytes::Buf;
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::progress::Progress;
use super::sink::{Sink, Written};
use super::verbose::name;
use crate::Failure;
use crate::args::GetArgs;

/// An answer that was taken in.
#[derive(Debug)]
pub(super) struct Received {
    status: StatusCode,
    version: Version,
    headers: HeaderMap,
    /// Of the body.
    bytes: u64,
}

/// Writes an answer to where `args` say, as it comes.
pub(super) async fn receive<B>(response: Response<B>, args: &GetArgs) -> Result<Received, Failure>
where
    B: HttpBody<Error: fmt::Display>,
{
    let (parts, body) = response.into_parts();
    let mut received =
        Received { status: parts.status, version: parts.version, headers: parts.headers, bytes: 0 };
    if args.fail && (parts.status.is_client_error() || parts.status.is_server_error()) {
        let status = parts.status;
        return Err(Failure::job(format_args!("{} answered {status}", args.url)));
    }
    let mut sink = Sink::open(args.output.as_deref())?;
    if args.include {
        let head = head(parts.version, &received);
        if sink.write(&head)? == Written::NotWanted {
            return Ok(received);
        }
    }
    let mut body = pin!(body);
    let total = body.size_hint().exact();
    let mut progress = (matches!(sink, Sink::File(..)) && stderr().is_terminal())
        .then(|| Progress::new(stderr(), total, Instant::now()));
    let outcome = loop {
        let Some(frame) = body.frame().await else { break Ok(()) };
        let mut data = match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => data,
            // Trailers.
            Ok(Err(_)) => continue,
            Err(error) => break Err(cut_short(&received, total, &sink, &error)),
        };
        while data.has_remaining() {
            let piece = data.chunk();
            let length = piece.len();
            if sink.write(piece)? == Written::NotWanted {
                return Ok(received);
            }
            data.advance(length);
            received.bytes += length as u64;
        }
        if let Some(progress) = &mut progress {
            progress.show(received.bytes, Instant::now());
        }
    };
    if let Some(progress) = progress {
        progress.end(received.bytes, Instant::now());
    }
    outcome.map(|()| received)
}

/// An answer's status line and headers, as HTTP/1.1 writes them.
fn head(version: Version, received: &Received) -> Vec<u8> {
    let mut head = format!("{version:?} {}\r\n", received.status).into_bytes();
    for (name, value) in &received.headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn cut_short(
    received: &Received,
    total: Option<u64>,
    sink: &Sink,
    error: &dyn fmt::Display,
) -> Failure {
    let mut text = format!("the answer broke off after {} ", received.bytes);
    // Writing to a string cannot fail.
    if let Some(total) = total {
        let _ = write!(text, "of {total} ");
    }
    let _ = write!(text, "bytes: {error}");
    if let Sink::File(_, path) = sink {
        let _ = write!(text, "; {} is incomplete", path.display());
    }
    Failure::Job(text)
}

impl Received {
    /// What `--json` tells. Headers of the same name are one, as RFC 9110 5.3 has it.
    pub(super) fn report(&self, seconds: f64) -> Value {
        let joined = |name| {
            let values = self.headers.get_all(name).iter();
            let values: Vec<_> =
                values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            Value::from(values.join(", "))
        };
        let headers = self.headers.keys().map(|name| (name.as_str().to_owned(), joined(name)));
        json!({
            "status": self.status.as_u16(),
            "version": name(self.version),
            "headers": Value::Object(headers.collect()),
            "bytes": self.bytes,
            "seconds": (seconds * 1e6).round() / 1e6,
        })
    }
}
