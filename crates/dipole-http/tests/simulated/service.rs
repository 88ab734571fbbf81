//! What the server answers, so that a client can tell a right answer from a wrong one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, BodyError, HttpService};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;

/// Answers carry the `x-id` of their request. `/echo` gives the body back as it comes, `/read`
/// reads it first, `/bytes/N` gives N bytes, `/chunks/N` too, in pieces, `/slow/MS` takes its
/// time, `/panic` panics, `/break/N` breaks off after N bytes.
pub(crate) fn service() -> impl HttpService {
    tower::service_fn(|request: Request<Body>| async {
        let id = request.headers().get("x-id").cloned();
        let mut response = answer(request).await;
        if let Some(id) = id {
            response.headers_mut().insert("x-id", id);
        }
        Ok::<_, Infallible>(response)
    })
}

async fn answer(request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let (_, rest) = path.split_at(1);
    let (what, number) = rest.split_once('/').unwrap_or((rest, "0"));
    let number: usize = number.parse().expect("a number");
    match what {
        "echo" => Response::new(request.into_body()),
        "read" => match request.into_body().collect().await {
            Ok(body) => Response::new(Body::from(body.to_bytes())),
            Err(_) => status(400),
        },
        "bytes" => Response::new(Body::from(pattern(number))),
        "chunks" => {
            let pieces: Vec<_> = pattern(number)
                .chunks(1000)
                .map(|piece| Ok(Bytes::copy_from_slice(piece)))
                .collect();
            Response::new(streamed(pieces))
        }
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number as u64)).await;
            Response::new(Body::from("slow"))
        }
        "break" => {
            let broken = Err(BodyError::Cancelled);
            Response::new(streamed(vec![Ok(pattern(number)), broken]))
        }
        // As `panic!`, but without a message on stderr.
        "panic" => std::panic::resume_unwind(Box::new("asked for")),
        _ => status(404),
    }
}

fn streamed(pieces: Vec<Result<Bytes, BodyError>>) -> Body {
    Body::new(Pieces(pieces.into_iter()))
}

/// A body of pieces that are there.
struct Pieces(std::vec::IntoIter<Result<Bytes, BodyError>>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Poll::Ready(self.0.next().map(|piece| piece.map(Frame::data)))
    }
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = http::StatusCode::from_u16(code).expect("a status");
    response
}

/// The first `length` bytes of what every sized answer consists of; at most 80,000.
pub(crate) fn pattern(length: usize) -> Bytes {
    // Made once: making it for each answer was half of a run's time.
    static WHOLE: LazyLock<Bytes> =
        LazyLock::new(|| (0..80_000).map(|n| (n % 251) as u8).collect::<Vec<_>>().into());
    WHOLE.slice(..length)
}
