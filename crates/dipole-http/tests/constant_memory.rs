//! Bodies that are larger than memory should be: they pass in constant memory, both ways.
//!
//! One test after the other, for the process's memory is measured.

mod support;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::{Body, HttpService, Server, ServerHandle};
use dipole_net::{ConnExt, DialerExt};
use dipole_tokio::Tokio;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;

use support::{Peer, handler, secs, text};

const MIB: u64 = 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// Memory of this process that is in RAM, in bytes; `None` where the system does not say it so.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The most memory over what there was at first.
#[derive(Debug, Clone, Copy)]
struct Growth {
    first: u64,
    most: u64,
}

impl Growth {
    fn begin() -> Self {
        let first = resident_memory().unwrap_or_default();
        Self { first, most: first }
    }

    fn look(&mut self) {
        self.most = self.most.max(resident_memory().unwrap_or_default());
    }

    /// The buffers of two sockets and of two threads, and no more.
    fn expect_none(mut self, what: &str) {
        self.look();
        let growth = self.most - self.first;
        assert!(growth < 16 * MIB, "{what}: memory grew by {} KiB", growth / 1024);
    }
}

/// Counts an upload at `/up`; gives so many bytes at `/down/NUMBER`.
fn service() -> impl HttpService {
    handler(async |request: Request<Body>| {
        let path = request.uri().path().to_owned();
        if let Some(length) = path.strip_prefix("/down/") {
            let left = length.parse().expect("a number");
            return Response::new(Body::new(Zeros { piece: vec![0; PIECE].into(), left }));
        }
        let mut body = request.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.expect("a good body").data_ref().map_or(0, Bytes::len) as u64;
        }
        text(length.to_string())
    })
}

/// So many zeros.
struct Zeros {
    piece: Bytes,
    left: u64,
}

impl http_body::Body for Zeros {
    type Data = Bytes;
    type Error = dipole_http::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let length = self.left.min(PIECE as u64);
        self.left -= length;
        Poll::Ready(Some(Ok(Frame::data(self.piece.slice(..length as usize)))))
    }
}

fn start() -> ServerHandle {
    let server = Server::new(service()).listen("127.0.0.1:0", Tokio::new());
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

async fn connect(server: &ServerHandle) -> Peer {
    let conn = Tokio::new().dial_timeout(&server.local_addrs()[0], None).await;
    Peer::new(conn.unwrap_or_else(|error| panic!("{error}")), secs(60))
}

/// Uploads so much, in either framing.
async fn upload(length: u64, is_chunked: bool) {
    let server = start();
    let mut peer = connect(&server).await;
    peer.send("POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx").await;
    assert_eq!(peer.answer().await.text(), "1");

    let mut growth = Growth::begin();
    let framing = match is_chunked {
        true => "transfer-encoding: chunked".to_owned(),
        false => format!("content-length: {length}"),
    };
    peer.send(format!("POST /up HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n")).await;
    let piece = Bytes::from(vec![b'x'; PIECE]);
    for number in 0..length / PIECE as u64 {
        if is_chunked {
            peer.conn.put(b"10000\r\n");
        }
        peer.conn.write_binary(piece.clone());
        if is_chunked {
            peer.conn.put(b"\r\n");
        }
        peer.conn.flush().await.expect("the server reads on");
        if number % 256 == 0 {
            growth.look();
        }
    }
    if is_chunked {
        peer.send("0\r\n\r\n").await;
    }
    assert_eq!(peer.answer().await.text(), length.to_string());
    growth.expect_none("an upload");
}

/// Downloads so much.
async fn download(length: u64) {
    let server = start();
    let mut peer = connect(&server).await;
    peer.send(format!("GET /down/{length} HTTP/1.0\r\n\r\n")).await;
    let mut growth = Growth::begin();
    let (mut received, mut looks) = (0, 0);
    loop {
        match peer.conn.peek(1).await {
            Ok(_) => {}
            Err(error) if error.is_eof() => break,
            Err(error) => panic!("{error}"),
        }
        let held = peer.conn.len();
        peer.conn.skip(held).expect("it is held");
        peer.conn.release();
        received += held as u64;
        if received / (16 * MIB) > looks {
            looks += 1;
            growth.look();
        }
    }
    assert!((length..length + 1000).contains(&received), "{received} bytes came");
    growth.expect_none("a download");
}

#[tokio::test]
async fn a_quarter_of_a_gibibyte_passes_in_constant_memory_both_ways() {
    upload(256 * MIB, false).await;
    upload(256 * MIB, true).await;
    download(256 * MIB).await;
}

#[tokio::test]
#[ignore = "takes a minute where nothing is optimized: cargo test --release -- --ignored"]
async fn ten_gibibytes_are_uploaded_in_constant_memory() {
    upload(10 * 1024 * MIB, false).await;
}
