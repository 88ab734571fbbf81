//! This side's own close, the peer's, and one from elsewhere.

use std::task::{Context, Waker};

use bytes::Bytes;
use dipole_net::{Conn, ConnExt, ErrorKind, Side};
use dipole_sim::{Config, Network, UnreadAtClose};

use crate::{kind, ms, poll_once};

#[tokio::test(start_paused = true)]
async fn after_its_own_close_a_connection_only_says_so() {
    let network = Network::default();
    let (mut a, mut b) = network.pair();
    b.write_all(b"unread").await.unwrap();
    a.peek(1).await.unwrap();
    a.put(b"unsent");
    let (local, peer) = (a.local_addr(), a.peer_addr());
    a.close();
    a.close();
    a.reset();
    assert_eq!(a.len(), 0);
    assert_eq!(a.buffered(), b"");
    assert_eq!(kind(a.peek(0).await), ErrorKind::Closed);
    assert_eq!(kind(a.peek(1).await), ErrorKind::Closed);
    assert_eq!(kind(a.skip(0)), ErrorKind::Closed);
    assert_eq!(kind(a.split(0)), ErrorKind::Closed);
    a.malloc(10).fill(1);
    a.write_binary(Bytes::from_static(b"x"));
    assert_eq!(a.queued(), 0);
    assert_eq!(kind(a.flush().await), ErrorKind::Closed);
    assert_eq!(kind(a.shutdown().await), ErrorKind::Closed);
    a.release();
    a.abandon(Side::Read);
    a.abandon(Side::Write);
    a.set_read_timeout(Some(ms(1)));
    assert_eq!((a.local_addr(), a.peer_addr()), (local, peer));
    assert_eq!((a.stats().input_memory, a.stats().output_memory), (0, 0));
    assert_eq!(network.stats().ends, 1);
    drop((a, b));
    assert_eq!((network.stats().ends, network.stats().connections), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_closer_unblocks_a_pending_fill_and_flush() {
    let (mut a, _b) = Network::default().pair();
    let closer = a.closer();
    let reader = tokio::spawn(async move { kind(a.peek(1).await) });
    let (mut c, _d) = Network::default().pair();
    let other_closer = c.closer();
    c.malloc(1 << 20);
    let writer = tokio::spawn(async move { (kind(c.flush().await), kind(c.peek(1).await)) });
    tokio::task::yield_now().await;
    closer.close();
    other_closer.close();
    assert_eq!(reader.await.unwrap(), ErrorKind::Closed);
    assert_eq!(writer.await.unwrap(), (ErrorKind::Closed, ErrorKind::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_closer_ends_the_connection_at_its_next_use_and_the_peer_sees_the_end() {
    let network = Network::default();
    let (mut a, mut b) = network.pair();
    b.write_all(b"abc").await.unwrap();
    a.peek(3).await.unwrap();
    a.closer().close();
    assert!(a.closer().is_closed());
    assert_eq!(kind(a.skip(1)), ErrorKind::Closed);
    assert_eq!(kind(b.peek(1).await), ErrorKind::Eof);
    assert_eq!(network.stats().ends, 1);
}

#[tokio::test(start_paused = true)]
async fn a_flush_to_a_peer_that_has_gone_fails_and_keeps_failing() {
    let (mut a, mut b) = Network::default().pair();
    b.write_all(b"last words").await.unwrap();
    drop(b);
    a.flush().await.unwrap();
    a.put(b"x");
    assert_eq!(kind(a.flush().await), ErrorKind::Closed);
    assert_eq!((a.queued(), a.stats().output_memory), (0, 0));
    assert_eq!(a.malloc(5), [0; 5]);
    assert_eq!(kind(a.flush().await), ErrorKind::Closed);
    assert_eq!(a.stats().output_memory, 0);
    assert_eq!(a.peek(10).await.unwrap(), b"last words");
    assert_eq!(kind(a.peek(11).await), ErrorKind::Eof);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_flush_learns_that_the_peer_has_gone() {
    let (mut a, b) = Network::default().pair();
    a.malloc(1 << 20);
    let writer = tokio::spawn(async move { (kind(a.flush().await), a.stats().output_memory) });
    tokio::task::yield_now().await;
    drop(b);
    assert_eq!(writer.await.unwrap(), (ErrorKind::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn closing_with_unread_bytes_resets_where_configured() {
    let mut config = Config::default();
    config.unread_at_close = UnreadAtClose::Resets;
    let network = Network::new(config);
    for held in [true, false] {
        let (mut a, mut b) = network.pair();
        b.write_all(b"unread").await.unwrap();
        if held {
            a.peek(6).await.unwrap();
        }
        a.write_all(b"lost").await.unwrap();
        a.close();
        assert_eq!(kind(b.peek(1).await), ErrorKind::Reset);
    }
    let (mut a, mut b) = network.pair();
    a.write_all(b"kept").await.unwrap();
    a.close();
    assert_eq!(b.peek(4).await.unwrap(), b"kept");
}

#[test]
fn everything_but_waiting_for_a_time_works_without_a_runtime() {
    let (mut a, mut b) = Network::default().pair();
    a.put(b"hello");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(a.poll_flush(&mut cx).is_ready());
    assert!(b.poll_fill(&mut cx, 5).is_ready());
    assert!(b.poll_fill(&mut cx, 6).is_pending());
    assert!(poll_once(b.peek(6)).is_pending());
    drop(a);
    assert!(b.poll_fill(&mut cx, 6).is_ready());
}
