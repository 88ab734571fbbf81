//! Nothing more is taken of a body than the other end takes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::{Body, BodyError};
use dipole_net::ConnExt;
use dipole_sim::Config;
use http::Method;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::far::{OK, good, near_and_far, on, settle, text};

const PIECE: usize = 10_000;
const SIZE: usize = 10 << 20;

/// Ten mebibytes, and how much of them was asked for.
struct Large {
    taken: Arc<AtomicUsize>,
}

impl HttpBody for Large {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let taken = self.taken.load(Ordering::Relaxed);
        let piece = PIECE.min(SIZE - taken);
        self.taken.store(taken + piece, Ordering::Relaxed);
        Poll::Ready((piece > 0).then(|| Ok(Frame::data(Bytes::from(vec![b'x'; piece])))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(SIZE as u64)
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_goes_as_fast_as_the_server_takes_it() {
    let mut network = Config::default();
    network.capacity = 100_000;
    let (near, mut far) = on(network, |_| {});
    let taken = Arc::new(AtomicUsize::new(0));
    let asked = near.method(Method::POST, Body::new(Large { taken: taken.clone() }));
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ncontent-length: 10485760\r\n\r\n").await;
    let mut read = 0;
    while read < SIZE {
        settle().await;
        let ahead = taken.load(Ordering::Relaxed) - read;
        // What is under way, what the far end's own buffer has, 64 KiB queued and one piece.
        assert!(ahead <= 100_000 + 64 * 1024 + 64 * 1024 + 2 * PIECE, "{ahead} at {read}");
        let held = conn.conn.peek(1).await.expect("more comes").len().max(conn.conn.len());
        conn.conn.skip(held).expect("it is held");
        conn.conn.release();
        read += held;
    }
    assert_eq!(read, SIZE);
    conn.send(OK).await;
    assert_eq!(text(good(asked).await).await, "hi");
}

#[tokio::test(start_paused = true)]
async fn a_download_goes_as_fast_as_its_reader_takes_it() {
    let mut network = Config::default();
    network.capacity = 100_000;
    let (near, mut far) = on(network, |_| {});
    let asked = near.get();
    let mut conn = far.serve("HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n").await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let server = tokio::spawn(async move {
        while counter.load(Ordering::Relaxed) < SIZE {
            let piece = PIECE.min(SIZE - counter.load(Ordering::Relaxed));
            conn.send(vec![b'y'; piece]).await;
            counter.fetch_add(piece, Ordering::Relaxed);
        }
        conn
    });
    let mut body = good(asked).await.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.expect("good").into_data().expect("data").len();
        settle().await;
        let ahead = sent.load(Ordering::Relaxed) - read;
        assert!(ahead <= 100_000 + 64 * 1024 + PIECE, "{ahead} at {read}");
    }
    assert_eq!(read, SIZE);
    server.await.expect("no panic");
}

#[tokio::test(start_paused = true)]
async fn large_bodies_pass_each_other() {
    let (near, mut far) = near_and_far();
    let taken = Arc::new(AtomicUsize::new(0));
    let asked = near.method(Method::POST, Body::new(Large { taken }));
    let mut conn = far.accept().await;
    conn.expect("POST / HTTP/1.1\r\nhost: far\r\ncontent-length: 10485760\r\n\r\n").await;
    conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n").await;
    let server = tokio::spawn(async move {
        let mut left = SIZE;
        while left > 0 {
            conn.conn.peek(1).await.expect("more comes");
            let held = conn.conn.len();
            conn.conn.skip(held).expect("it is held");
            conn.send(vec![b'z'; held]).await;
            left -= held;
        }
        conn
    });
    let body = good(asked).await.into_body().collect().await.expect("a whole body").to_bytes();
    assert_eq!(body.len(), SIZE);
    server.await.expect("no panic");
    settle().await;
    assert_eq!(near.network.stats().in_flight, 0);
}
