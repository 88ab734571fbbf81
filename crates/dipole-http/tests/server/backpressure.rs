//! A slow reader slows its writer down, both ways, and holds no memory meanwhile.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::{Body, HttpService};
use dipole_net::{Conn, ConnExt};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{handler, ms, secs, settle, text, watched, watched_and_configured};

const KIB: usize = 1024;
/// What a connection of the simulated network has under way in each direction.
const UNDER_WAY: usize = 256 * KIB;

/// Gives `left` pieces, each at once, and counts them.
struct Pieces {
    piece: Bytes,
    left: usize,
    given: Arc<AtomicUsize>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.given.fetch_add(1, Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_bounds_what_is_made_and_queued() {
    const PIECE: usize = 16 * KIB;
    const PIECES: usize = 256;
    let given = Arc::<AtomicUsize>::default();
    let counted = given.clone();
    let service = handler(move |_| {
        let given = counted.clone();
        let piece = Bytes::from(vec![7; PIECE]);
        async { Response::new(Pieces { piece, left: PIECES, given }) }
    });
    let (seen, mut peer) =
        watched_and_configured(service, |config| config.max_queued_bytes = 64 * KIB).await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    settle().await;
    // What is under way, what may be queued, and one piece.
    let most = (UNDER_WAY + 64 * KIB) / PIECE + 1;
    assert!((16..=most).contains(&given.load(Relaxed)), "{} pieces", given.load(Relaxed));

    // It goes on as the client reads, and never holds more.
    let answer = peer.answer().await;
    assert_eq!((answer.status, answer.body.len()), (200, PIECE * PIECES));
    assert!(answer.body.iter().all(|&byte| byte == 7));
    assert_eq!(given.load(Relaxed), PIECES);
    let allowed = 64 * KIB + PIECE + KIB;
    assert!(seen.most_queued() <= allowed, "{} bytes queued", seen.most_queued());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_a_little_gets_a_little_more_made() {
    const PIECE: usize = 8 * KIB;
    let given = Arc::<AtomicUsize>::default();
    let counted = given.clone();
    let service = handler(move |_| {
        let given = counted.clone();
        async { Response::new(Pieces { piece: vec![7; PIECE].into(), left: 10_000, given }) }
    });
    let (_, mut peer) = watched(service).await;
    peer.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    settle().await;
    let before = given.load(Relaxed);
    for read in 1..=20 {
        peer.conn.skip_all(4 * PIECE).await.expect("it is there");
        settle().await;
        let made = given.load(Relaxed) - before;
        // 256 KiB may be queued, and are made anew when they have all been taken.
        assert!(made + 4 >= 4 * read && made <= 4 * read + 36, "{made} pieces after {read}");
    }
}

/// Says in `progress` how many bytes it has read, and reads on only up to `allowed` bytes.
fn reads_as_told(
    allowed: &watch::Receiver<usize>,
    progress: &watch::Sender<usize>,
) -> impl HttpService + use<> {
    let (allowed, progress) = (allowed.clone(), progress.clone());
    handler(move |request: Request<Body>| {
        let (mut allowed, progress) = (allowed.clone(), progress.clone());
        async move {
            let mut body = request.into_body();
            let mut read = 0;
            loop {
                allowed.wait_for(|&allowed| allowed > read).await.expect("the test goes on");
                let Some(frame) = body.frame().await else { break };
                read += frame.expect("a good body").data_ref().map_or(0, Bytes::len);
                progress.send_replace(read);
            }
            text(read.to_string())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_makes_the_client_wait() {
    const LENGTH: usize = 4 * KIB * KIB;
    for framing in ["content-length: 4194304", "transfer-encoding: chunked"] {
        let (allow, allowed) = watch::channel(0);
        let (progress, read) = watch::channel(0);
        let service = reads_as_told(&allowed, &progress);
        let (seen, mut peer) = watched(service).await;
        let is_chunked = framing.contains("chunked");

        peer.conn.put(format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n").as_bytes());
        if is_chunked {
            peer.conn.put(b"400000\r\n");
        }
        peer.conn.write_binary(Bytes::from(vec![1; LENGTH]));
        if is_chunked {
            peer.conn.put(b"\r\n0\r\n\r\n");
        }
        let waits = timeout(secs(10), peer.conn.flush()).await;
        assert!(waits.is_err(), "the client's flush waits for the handler");
        let taken = LENGTH - peer.conn.queued();
        // What is under way, and what the server holds ahead: no more than a head.
        assert!(taken <= UNDER_WAY + 64 * KIB + KIB, "{taken} bytes were taken unread");

        // The handler reads a part: about as much more is taken, and then the client waits again.
        allow.send_replace(KIB * KIB);
        assert!(timeout(secs(10), peer.conn.flush()).await.is_err());
        let (taken, read) = (LENGTH - peer.conn.queued(), *read.borrow());
        assert!((KIB * KIB..KIB * KIB + 64 * KIB).contains(&read), "{read} bytes were read");
        assert!((read..=read + UNDER_WAY + 64 * KIB + KIB).contains(&taken), "{taken} were taken");

        allow.send_replace(usize::MAX);
        peer.conn.flush().await.expect("the server is there");
        let length = LENGTH.to_string();
        peer.answer().await.expect(200, &[("content-length", "7")], &length);
        let held = seen.most_input_memory();
        assert!(held <= 128 * KIB, "{held} bytes held for input");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_sent_back_as_it_comes_waits_for_its_reader() {
    const LENGTH: usize = 8 * KIB * KIB;
    let service = handler(async |request: Request<Body>| Response::new(request.into_body()));
    let (seen, mut peer) = watched(service).await;
    peer.conn.put(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8388608\r\n\r\n");
    let body: Vec<u8> = (0..LENGTH).map(|at| (at / 1000) as u8).collect();
    peer.conn.write_binary(Bytes::from(body.clone()));
    // The client does not read: so the server stops reading.
    assert!(timeout(secs(10), peer.conn.flush()).await.is_err());
    let taken = LENGTH - peer.conn.queued();
    assert!(taken <= 3 * UNDER_WAY + 128 * KIB, "{taken} bytes were taken");
    assert!(seen.most_queued() <= 512 * KIB, "{} bytes queued", seen.most_queued());

    // Both at a time, each as far as it goes.
    let mut received = Vec::new();
    let head_length = loop {
        drop(timeout(ms(1), peer.conn.flush()).await);
        let more = timeout(secs(1), peer.conn.peek(1)).await;
        assert!(matches!(more, Ok(Ok(_))), "{more:?} after {} bytes", received.len());
        let held = peer.conn.buffered().to_vec();
        peer.conn.skip(held.len()).expect("it is held");
        received.extend_from_slice(&held);
        let head = received.windows(4).take(200).position(|end| end == b"\r\n\r\n");
        let head_length = head.expect("a head") + 4;
        if received.len() >= head_length + LENGTH {
            break head_length;
        }
    };
    assert!(received[head_length..] == body, "{} bytes came", received.len());
}
