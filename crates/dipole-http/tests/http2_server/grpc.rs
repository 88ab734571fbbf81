//! A gRPC service of tonic runs on the server unchanged, for a client of tonic.
//!
//! Written by hand as tonic's generator writes it, with texts for messages.

use std::convert::Infallible;
use std::time::Duration;

use bytes::{Buf, BufMut};
use dipole_http::{Body, HttpService};
use dipole_io::AsyncConn;
use futures_util::{Stream, StreamExt, stream};
use http::Request as HttpRequest;
use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, sleep};
use tonic::client::{Grpc as Client, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status, Streaming};
use tower::service_fn;

use crate::support::{Calls, Site, expect_on_time, secs, settle};

/// Messages that are texts.
#[derive(Clone, Default)]
struct Texts;

impl Codec for Texts {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Texts {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Texts {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let data = buffer.copy_to_bytes(buffer.remaining());
        String::from_utf8(data.into())
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

async fn shout(request: Request<String>) -> Result<Response<String>, Status> {
    if request.get_ref().is_empty() {
        return Err(Status::invalid_argument("nothing to shout"));
    }
    Ok(Response::new(request.into_inner().to_uppercase()))
}

async fn spell(
    request: Request<String>,
) -> Result<Response<impl Stream<Item = Result<String, Status>>>, Status> {
    let letters: Vec<_> = request.into_inner().chars().map(String::from).collect();
    Ok(Response::new(stream::iter(letters).then(async |letter| {
        sleep(secs(1)).await;
        if letter == "?" { Err(Status::out_of_range("no letter")) } else { Ok(letter) }
    })))
}

async fn join(request: Request<Streaming<String>>) -> Result<Response<String>, Status> {
    let mut words = request.into_inner();
    let mut joined = String::new();
    while let Some(word) = words.message().await? {
        joined += &word;
    }
    Ok(Response::new(joined))
}

async fn echo(
    request: Request<Streaming<String>>,
) -> Result<Response<impl Stream<Item = Result<String, Status>>>, Status> {
    Ok(Response::new(request.into_inner().map(|word| word.map(|word| word.to_uppercase()))))
}

fn texts(calls: &Calls) -> impl HttpService {
    let calls = calls.clone();
    service_fn(move |request: HttpRequest<Body>| {
        let calls = calls.clone();
        async move {
            let mut grpc = Grpc::new(Texts);
            Ok::<_, Infallible>(match request.uri().path() {
                "/texts/Shout" => grpc.unary(service_fn(shout), request).await,
                "/texts/Spell" => grpc.server_streaming(service_fn(spell), request).await,
                "/texts/Join" => grpc.client_streaming(service_fn(join), request).await,
                "/texts/Echo" => grpc.streaming(service_fn(echo), request).await,
                _ => {
                    calls.note(request.headers()["grpc-timeout"].to_str().expect("a text"));
                    let _dropped = calls.note_drop("dropped");
                    sleep(secs(100)).await;
                    Status::internal("late").into_http()
                }
            })
        }
    })
}

async fn client(
    site: &Site,
) -> Client<
    impl GrpcService<
        tonic::body::Body,
        ResponseBody = hyper::body::Incoming,
        Error = hyper::Error,
        Future: Send,
    >,
> {
    let conn = AsyncConn::new(site.connect().await.conn);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), conn).await.expect("HTTP/2");
    tokio::spawn(connection);
    let service = service_fn(move |request| {
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    Client::with_origin(service, "http://a".parse().expect("an origin"))
}

fn path(path: &'static str) -> http::uri::PathAndQuery {
    http::uri::PathAndQuery::from_static(path)
}

#[tokio::test(start_paused = true)]
async fn unary_calls_and_their_errors() {
    let site = Site::new(texts(&Calls::default()));
    let mut client = client(&site).await;
    let call = Request::new("hello".to_owned());
    let answer = client.unary(call, path("/texts/Shout"), Texts).await.expect("an answer");
    assert_eq!(answer.get_ref(), "HELLO");
    let call = Request::new(String::new());
    let status = client.unary(call, path("/texts/Shout"), Texts).await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "nothing to shout"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_the_server_comes_piece_by_piece_and_ends_with_its_status() {
    let site = Site::new(texts(&Calls::default()));
    let mut client = client(&site).await;
    let call = Request::new("ab?".to_owned());
    let begin = Instant::now();
    let answer = client.server_streaming(call, path("/texts/Spell"), Texts).await;
    let mut letters = answer.expect("an answer").into_inner();
    for (second, letter) in [(1, "a"), (2, "b")] {
        assert_eq!(letters.message().await.expect("good").as_deref(), Some(letter));
        expect_on_time(begin, secs(second));
    }
    let status = letters.message().await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::OutOfRange, "no letter"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_the_client_and_streams_both_ways() {
    let site = Site::new(texts(&Calls::default()));
    let mut client = client(&site).await;
    let words = stream::iter(["one ".to_owned(), "two ".to_owned(), "three".to_owned()]);
    let call = client.client_streaming(Request::new(words), path("/texts/Join"), Texts);
    assert_eq!(call.await.expect("an answer").get_ref(), "one two three");

    let (say, said) = tokio::sync::mpsc::channel::<String>(1);
    let said = stream::unfold(said, async |mut said| Some((said.recv().await?, said)));
    let call = client.streaming(Request::new(said), path("/texts/Echo"), Texts);
    let mut answers = call.await.expect("an answer").into_inner();
    for word in ["ping", "pong"] {
        say.send(word.to_owned()).await.expect("it listens");
        assert_eq!(answers.message().await.expect("good"), Some(word.to_uppercase()));
    }
    drop(say);
    assert_eq!(answers.message().await.expect("a good end"), None);
}

/// The client's end of a deadline: it breaks the call off, and the handler is dropped.
#[tokio::test(start_paused = true)]
async fn a_call_that_its_client_breaks_off_is_cancelled_at_the_server() {
    let calls = Calls::default();
    let site = Site::new(texts(&calls));
    let mut client = client(&site).await;
    let mut call = Request::new("hello".to_owned());
    call.set_timeout(Duration::from_secs(3));
    let answer = client.unary(call, path("/texts/Slow"), Texts);
    assert!(tokio::time::timeout(secs(2), answer).await.is_err());
    settle().await;
    assert_eq!(calls.list(), ["3000000u", "dropped"]);
    assert_eq!(site.server.stats().cancelled, 1);
}

/// The server's end of it, for a client that waits on.
#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_passes_is_answered_so_and_its_handler_dropped() {
    let calls = Calls::default();
    let site = Site::new(texts(&calls));
    let mut client = client(&site).await;
    let mut call = Request::new("hello".to_owned());
    call.set_timeout(Duration::from_secs(2));
    let begin = Instant::now();
    let status = client.unary(call, path("/texts/Slow"), Texts).await.expect_err("a status");
    expect_on_time(begin, secs(2));
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    settle().await;
    assert_eq!(calls.list(), ["2000000u", "dropped"]);
    assert_eq!(site.server.stats().timed_out, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_deadline_passes_ends_with_it_after_what_was_sent() {
    let site = Site::new(texts(&Calls::default()));
    let mut client = client(&site).await;
    let mut call = Request::new("abcdef".to_owned());
    call.set_timeout(Duration::from_millis(2500));
    let begin = Instant::now();
    let answer = client.server_streaming(call, path("/texts/Spell"), Texts).await;
    let mut letters = answer.expect("an answer").into_inner();
    for letter in ["a", "b"] {
        assert_eq!(letters.message().await.expect("good").as_deref(), Some(letter));
    }
    let status = letters.message().await.expect_err("a status");
    expect_on_time(begin, Duration::from_millis(2500));
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

#[tokio::test(start_paused = true)]
async fn the_servers_end_of_deadlines_can_be_left_to_the_service() {
    let site = Site::configured(texts(&Calls::default()), |config| {
        config.http2.grpc_deadlines = false;
    });
    let mut client = client(&site).await;
    let mut call = Request::new("hello".to_owned());
    call.set_timeout(Duration::from_secs(2));
    let status = client.unary(call, path("/texts/Slow"), Texts).await.expect_err("a status");
    assert_eq!(status.code(), Code::Internal, "{status}");
}
