//! Handlers that panic or fail: what their client sees, and that nobody else does.

use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::{Body, BodyError, ServerStats};
use http::{Request, Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, service_fn};

use crate::support::{End, Site, by_hand, expect_on_time, secs, settle};

type AnyBody = UnsyncBoxBody<Bytes, BodyError>;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

/// As `panic!`, but without a message on stderr.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("asked for"))
}

fn boxed(body: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> AnyBody {
    body.boxed_unsync()
}

fn fine() -> AnyBody {
    boxed(Full::from("fine").map_err(|never| match never {}))
}

/// Gives its frames, then panics.
struct Panics {
    frames: Vec<&'static str>,
    length: Option<u64>,
}

impl HttpBody for Panics {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.frames.pop() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data.into())))),
            None => panic_quietly(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Does what the path says.
#[derive(Clone)]
struct Troubled;

impl Service<Request<Body>> for Troubled {
    type Response = Response<AnyBody>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, &'static str>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        if path == "/panic-in-call" {
            panic_quietly();
        }
        Box::pin(async move {
            let by_hand = |feed_it: fn(&crate::support::Feed)| {
                let (feed, body) = by_hand();
                feed_it(&feed);
                boxed(body)
            };
            Ok(Response::new(match &*path {
                "/panic" => panic_quietly(),
                "/panic-later" => {
                    settle().await;
                    panic_quietly()
                }
                "/error" => return Err("asked for"),
                "/panic-in-body" => boxed(Panics { frames: vec![], length: None }),
                "/panic-in-sized-body" => boxed(Panics { frames: vec!["ab"], length: Some(4) }),
                "/panic-in-streamed-body" => boxed(Panics { frames: vec!["ab"], length: None }),
                "/error-in-body" => by_hand(|feed| {
                    feed.data("ab");
                    feed.fail();
                }),
                "/short" | "/long" => {
                    let length = if path == "/short" { 3 } else { 1 };
                    let mut response = Response::new(by_hand(|feed| feed.data("ab")));
                    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
                    return Ok(response);
                }
                _ => fine(),
            }))
        })
    }
}

/// How a request to this path ends, while other connections go on. `None`: without an answer
/// that is whole, by a reset.
async fn expect_trouble(path: &str, status: Option<u16>) -> ServerStats {
    let fine = [("content-length", "4")];
    let site = Site::new(Troubled);
    let mut before = site.connect().await;
    before.ask(get("/fine")).await.expect(200, &fine, "fine");

    let mut peer = site.connect().await;
    // What comes after it on the same connection is not served.
    peer.send(get("/fine") + &get(path) + &get("/fine")).await;
    match status {
        Some(status) => {
            peer.answer().await.expect(200, &fine, "fine");
            peer.answer().await.expect_refusal(status);
            peer.expect_end().await;
        }
        None => {
            let (bytes, end) = peer.rest_bytes().await;
            assert_eq!(end, End::Reset, "{path}: {}", bytes.escape_ascii());
        }
    }
    before.ask(get("/fine")).await.expect(200, &fine, "fine");
    site.connect().await.ask(get("/fine")).await.expect(200, &fine, "fine");
    let stats = site.server.stats();
    assert_eq!(stats.requests, 5, "{path}");
    assert_eq!(stats.cancelled, 0, "{path}");
    stats
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_is_answered_for_with_500_and_ends_its_connection_alone() {
    for path in ["/panic", "/panic-later"] {
        assert_eq!(expect_trouble(path, Some(500)).await.panics, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_in_its_call_is_no_different() {
    assert_eq!(expect_trouble("/panic-in-call", Some(500)).await.panics, 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_is_answered_for_with_500() {
    assert_eq!(expect_trouble("/error", Some(500)).await.panics, 0);
}

/// An answer that has begun cannot be taken back: the client must see that it is not whole.
#[tokio::test(start_paused = true)]
async fn a_body_that_panics_breaks_its_connection_off() {
    for path in ["/panic-in-body", "/panic-in-sized-body", "/panic-in-streamed-body"] {
        assert_eq!(expect_trouble(path, None).await.panics, 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_breaks_its_connection_off() {
    assert_eq!(expect_trouble("/error-in-body", None).await.panics, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_another_length_than_it_said_breaks_its_connection_off() {
    expect_trouble("/short", None).await;
    expect_trouble("/long", None).await;
}

/// To an old client the end of the connection is the end of the answer.
#[tokio::test(start_paused = true)]
async fn a_body_that_fails_for_an_old_client_does_not_end_in_order() {
    let site = Site::new(Troubled);
    for path in ["/error-in-body", "/panic-in-streamed-body"] {
        let mut peer = site.connect().await;
        peer.send(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        assert_eq!(peer.rest_bytes().await.1, End::Reset, "{path}");
    }
}

/// Is ready or not as its path says; the path is the only thing that `poll_ready` can know.
#[derive(Clone)]
struct NeverReady(&'static str);

impl Service<Request<Body>> for NeverReady {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = std::future::Ready<Result<Response<Body>, &'static str>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        match self.0 {
            "error" => Poll::Ready(Err("asked for")),
            "panic" => panic_quietly(),
            _ => Poll::Pending,
        }
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_answered_for() {
    for (why, status) in [("error", 500), ("panic", 500), ("never", 503)] {
        let site = Site::configured(NeverReady(why), |config| {
            config.request_timeout = Some(secs(5));
        });
        let mut peer = site.connect().await;
        peer.ask(get("/")).await.expect_refusal(status);
        peer.expect_end().await;
        assert_eq!(site.server.stats().panics, u64::from(why == "panic"));
    }
}

#[tokio::test(start_paused = true)]
async fn many_panics_leave_nothing_behind() {
    let site = Site::new(service_fn(|request: Request<Body>| async move {
        if request.uri().path() != "/fine" {
            panic_quietly();
        }
        Ok::<_, &str>(Response::new(Body::from("fine")))
    }));
    for _ in 0..200 {
        let mut peer = site.connect().await;
        peer.ask(get("/")).await.expect_refusal(500);
    }
    settle().await;
    let stats = site.server.stats();
    assert_eq!((stats.panics, stats.open_connections), (200, 0));
    assert_eq!(site.network.stats().connections, 0);
    site.connect().await.ask(get("/fine")).await.expect(200, &[("content-length", "4")], "fine");
}

/// Ready from some time on.
#[derive(Clone)]
struct ReadyAt(Instant);

impl Service<Request<Body>> for ReadyAt {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, &'static str>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        if Instant::now() >= self.0 {
            return Poll::Ready(Ok(()));
        }
        let (at, waker) = (self.0, cx.waker().clone());
        tokio::spawn(async move {
            sleep_until(at).await;
            waker.wake();
        });
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        Box::pin(async {
            sleep(secs(3)).await;
            Ok(Response::new(Body::from("ready")))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_is_called_when_it_is_ready_and_the_wait_counts() {
    for (request_timeout, status) in [(9, 200), (7, 503)] {
        let ready_at = Instant::now() + secs(5);
        let site = Site::configured(ReadyAt(ready_at), |config| {
            config.request_timeout = Some(secs(request_timeout));
        });
        let mut peer = site.connect().await;
        let begin = Instant::now();
        assert_eq!(peer.ask(get("/")).await.status, status);
        expect_on_time(begin, secs(request_timeout.min(8)));
    }
}
