//! monoio with its HTTP/1.1 codec (monoio-http), on one thread, as the codec's own example has it: one
//! task reads requests, another answers them. The decoder has to go on for a body to come.

use compare::{BINARY, HELLO, TEXT};
use http::header::{CONTENT_TYPE, DATE, HeaderValue};
use http::{Method, StatusCode};
use monoio::io::Splitable;
use monoio::io::sink::SinkExt;
use monoio::io::stream::Stream;
use monoio::net::{TcpListener, TcpStream};
use monoio_http::common::request::Request;
use monoio_http::common::response::Response;
use monoio_http::h1::codec::decoder::RequestDecoder;
use monoio_http::h1::codec::encoder::GenericEncoder;
use monoio_http::h1::payload::{FixedPayload, Payload};
use monoio_http::util::spsc::spsc_pair;

fn main() -> std::io::Result<()> {
    let listener = compare::listen();
    let address = listener.local_addr()?;
    listener.set_nonblocking(false)?;
    let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        compare::announce(address, "monoio");
        loop {
            let (stream, _) = listener.accept().await?;
            monoio::spawn(serve(stream));
        }
    })
}

async fn serve(stream: TcpStream) {
    let (reader, writer) = stream.into_split();
    let mut encoder = GenericEncoder::new(writer);
    let mut decoder = RequestDecoder::new(reader);
    let (mut give, mut take) = spsc_pair();
    monoio::spawn(async move {
        while let Some(request) = take.recv().await {
            if encoder.send_and_flush(answer(request).await).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(request)) = decoder.next().await {
        if give.send(request).await.is_err() {
            return;
        }
    }
}

async fn answer(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (status, media_type, body) = match (&head.method, head.uri.path()) {
        (&Method::GET, "/") => (StatusCode::OK, TEXT, HELLO.into()),
        (&Method::GET, "/1m") => (StatusCode::OK, BINARY, compare::mebibyte()),
        (&Method::POST, "/echo") => match body {
            Payload::Fixed(mut body) => match body.next().await {
                Some(Ok(data)) => (StatusCode::OK, BINARY, data),
                _ => (StatusCode::BAD_REQUEST, TEXT, "".into()),
            },
            _ => (StatusCode::BAD_REQUEST, TEXT, "".into()),
        },
        _ => (StatusCode::NOT_FOUND, TEXT, "".into()),
    };
    let payload = match body.is_empty() {
        true => Payload::None,
        false => Payload::Fixed(FixedPayload::new(body)),
    };
    let mut response = Response::new(payload);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(DATE, HeaderValue::from_static("Thu, 01 Jan 2026 00:00:00 GMT"));
    response
}
