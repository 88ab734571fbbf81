//! Read and write timeouts.

use dipole_net::{Conn, ConnExt, ErrorKind, Side};
use dipole_sim::{Config, Network};
use tokio::time::{Instant, advance, sleep};

use crate::{kind, ms, poll_once};

#[tokio::test(start_paused = true)]
async fn a_read_timeout_spans_one_operation_however_the_peer_drips() {
    let (mut a, mut b) = Network::default().pair();
    tokio::spawn(async move {
        loop {
            a.write_all(b"x").await.unwrap();
            sleep(ms(30)).await;
        }
    });
    b.set_read_timeout(Some(ms(100)));
    let begin = Instant::now();
    assert_eq!(kind(b.peek(1000).await), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), ms(100));
    assert_eq!(b.len(), 4);
    // It still reads, and each operation has the whole time.
    assert_eq!(b.peek(7).await.unwrap(), b"xxxxxxx");
    for n in 8..14 {
        b.set_read_timeout(Some(ms(40)));
        b.peek(n).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn held_and_arrived_bytes_beat_an_expired_timeout() {
    let (mut a, mut b) = Network::default().pair();
    b.set_read_timeout(Some(ms(10)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(b.poll_fill(&mut cx, 3).is_pending());
    a.write_all(b"abc").await.unwrap();
    advance(ms(50)).await;
    assert!(matches!(b.poll_fill(&mut cx, 3), std::task::Poll::Ready(Ok(()))));
    assert!(b.poll_fill(&mut cx, 4).is_pending());
    advance(ms(50)).await;
    assert!(matches!(b.poll_fill(&mut cx, 3), std::task::Poll::Ready(Ok(()))));
    // That ended the operation; the next one has its own time.
    assert!(b.poll_fill(&mut cx, 4).is_pending());
}

#[tokio::test(start_paused = true)]
async fn bytes_due_at_the_very_deadline_are_in_time() {
    let mut config = Config::default();
    config.latency = ms(10)..=ms(10);
    let (mut a, mut b) = Network::new(config).pair();
    b.set_read_timeout(Some(ms(10)));
    let begin = Instant::now();
    a.write_all(b"abc").await.unwrap();
    assert_eq!(b.peek(3).await.unwrap(), b"abc");
    assert_eq!(begin.elapsed(), ms(10));
}

#[tokio::test(start_paused = true)]
async fn abandoning_an_operation_ends_its_timeout() {
    let (_a, mut b) = Network::default().pair();
    b.set_read_timeout(Some(ms(10)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(b.poll_fill(&mut cx, 1).is_pending());
    b.abandon(Side::Read);
    advance(ms(50)).await;
    assert!(b.poll_fill(&mut cx, 1).is_pending());
    advance(ms(50)).await;
    assert!(b.poll_fill(&mut cx, 1).is_ready());
    assert!(b.poll_fill(&mut cx, 1).is_pending());
    // Dropping the future does the same.
    b.abandon(Side::Read);
    assert!(poll_once(b.peek(1)).is_pending());
    advance(ms(50)).await;
    assert!(poll_once(b.peek(1)).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_new_timeout_holds_from_the_next_operation_on() {
    let (_a, mut b) = Network::default().pair();
    b.set_read_timeout(Some(ms(100)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let begin = Instant::now();
    assert!(b.poll_fill(&mut cx, 1).is_pending());
    b.set_read_timeout(Some(ms(10)));
    assert_eq!(kind(std::future::poll_fn(|cx| b.poll_fill(cx, 1)).await), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), ms(100));
    assert_eq!(kind(b.peek(1).await), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), ms(110));
    b.set_read_timeout(Some(std::time::Duration::MAX));
    assert!(poll_once(b.peek(1)).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_write_timeout_is_final() {
    let (mut a, mut b) = Network::default().pair();
    a.set_write_timeout(Some(ms(100)));
    a.malloc(1 << 20);
    let begin = Instant::now();
    assert_eq!(kind(a.flush().await), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), ms(100));
    assert_eq!((a.queued(), a.stats().output_memory), (0, 0));
    b.skip_all(256 * 1024).await.unwrap();
    a.put(b"more");
    assert_eq!(kind(a.flush().await), ErrorKind::TimedOut);
    assert_eq!(kind(a.shutdown().await), ErrorKind::TimedOut);
    assert!(poll_once(b.peek(1)).is_pending());
}
