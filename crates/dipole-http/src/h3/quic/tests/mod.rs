//! The crate `h3`, server and client, over streams in memory.

mod memory;

use std::future::{poll_fn, ready};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use dipole_net::{SendStreamExt, Stream, StreamConn};
use h3::error::StreamError;
use http::{HeaderMap, Request, Response};
use tokio::sync::oneshot;

use self::memory::pair;
use super::QuicConn;
use crate::h3::codec::code;

const LONGEST_FRAME: usize = 1024;

/// The body and the trailers of the next request, as a server on `h3` sees them. It closes the
/// connection once `until` has ended.
async fn served(
    conn: Arc<dyn StreamConn>,
    until: impl Future,
) -> Result<(Vec<u8>, Option<HeaderMap>), StreamError> {
    let mut server: h3::server::Connection<_, Bytes> =
        h3::server::builder().build(QuicConn::new(conn, LONGEST_FRAME)).await.unwrap();
    let resolver = server.accept().await.unwrap().unwrap();
    // The control streams go on beside the request.
    let control = async { drop(server.accept().await) };
    let request = async {
        let (_, mut stream) = resolver.resolve_request().await?;
        let mut body = Vec::new();
        while let Some(mut piece) = stream.recv_data().await? {
            body.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
        }
        let trailers = stream.recv_trailers().await?;
        stream.send_response(Response::new(())).await?;
        stream.send_data(Bytes::from(body.clone())).await?;
        stream.finish().await?;
        until.await;
        Ok((body, trailers))
    };
    tokio::select! { biased; result = request => result, () = control => panic!("no request") }
}

#[tokio::test]
async fn a_request_and_its_response_pass_with_body_and_trailers() {
    let (client, server) = pair();
    let (end, ended) = oneshot::channel::<()>();
    let server = tokio::spawn(served(server, ended));
    let (mut driver, mut requests) =
        h3::client::new(QuicConn::new(client, LONGEST_FRAME)).await.unwrap();
    let exchange = async {
        let request = Request::post("https://host/").body(()).unwrap();
        let mut stream = requests.send_request(request).await.unwrap();
        let body = Bytes::from(vec![7; 100_000]);
        stream.send_data(body.clone()).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", http::HeaderValue::from_static("right"));
        stream.send_trailers(trailers).await.unwrap();
        stream.finish().await.unwrap();
        assert_eq!(stream.recv_response().await.unwrap().status(), 200);
        let mut echoed = Vec::new();
        while let Some(mut piece) = stream.recv_data().await.unwrap() {
            echoed.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
        }
        assert_eq!(echoed, body);
    };
    tokio::select! {
        () = exchange => drop(end),
        error = poll_fn(|cx| driver.poll_close(cx)) => panic!("{error}"),
    }
    let (body, trailers) = server.await.unwrap().unwrap();
    assert_eq!(body.len(), 100_000);
    assert_eq!(trailers.unwrap()["checksum"], "right");
}

/// A request with these frames after its head, which says `POST https://host/`.
async fn raw(conn: &dyn StreamConn, frames: &[u8]) -> Stream {
    let mut control = conn.open_uni_stream().unwrap();
    control.write_all(&[0x00, 0x04, 0x00]).await.unwrap();
    // RFC 9204 4.5: no dynamic table; indexed fields, and `:authority` with a literal value.
    let head = b"\x00\x00\xd4\xd7\xc1\x50\x04host";
    let mut stream = conn.open_stream().unwrap();
    stream.send.write_all(&[0x01, head.len() as u8]).await.unwrap();
    stream.send.write_all(head).await.unwrap();
    stream.send.write_all(frames).await.unwrap();
    stream.send.close().await.unwrap();
    // It is kept open until the connection's end.
    std::mem::forget(control);
    stream
}

#[tokio::test]
async fn empty_and_unknown_frames_do_not_end_a_body() {
    let (client, server) = pair();
    let _stream = raw(&*client, b"\x00\x01a\x00\x00\x21\x02xx\x00\x02bc").await;
    let (body, trailers) = served(server, ready(())).await.unwrap();
    assert_eq!(body, b"abc");
    assert_eq!(trailers, None);
}

#[tokio::test]
async fn a_body_that_ends_within_a_frame_ends_the_connection_and_nothing_panics() {
    let (client, server) = pair();
    let _stream = raw(&*client, b"\x00\x05abc").await;
    assert!(served(server, ready(())).await.is_err());
    assert_eq!(closed_with(&*client).await, code::FRAME_ERROR);
}

#[tokio::test]
async fn a_frame_that_would_have_to_be_held_whole_has_a_limit() {
    let (client, server) = pair();
    // Trailers of a gibibyte.
    let _stream = raw(&*client, b"\x01\xc0\x00\x00\x00\x40\x00\x00\x00").await;
    assert!(served(server, ready(())).await.is_err());
    assert_eq!(closed_with(&*client).await, code::EXCESSIVE_LOAD);
}

async fn closed_with(conn: &dyn StreamConn) -> u64 {
    match conn.closed().await.kind() {
        dipole_net::ErrorKind::Application { code, .. } => *code,
        other => panic!("{other:?}"),
    }
}
