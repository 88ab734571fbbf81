//! Sending: nothing before a flush, everything by one, no more than the peer has room for.

use bytes::Bytes;
use dipole_net::{Conn, ConnExt};
use dipole_sim::{Config, Network};

use crate::poll_once;

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_a_flush_and_nothing_twice() {
    let network = Network::default();
    let (mut a, mut b) = network.pair();
    a.put(b"abc");
    assert_eq!((a.queued(), a.stats().sent, network.stats().in_flight), (3, 0, 0));
    assert!(poll_once(b.peek(1)).is_pending());
    a.flush().await.unwrap();
    a.flush().await.unwrap();
    assert_eq!((a.queued(), a.stats().sent, network.stats().in_flight), (0, 3, 3));
    assert_eq!(b.peek(3).await.unwrap(), b"abc");
    assert!(poll_once(b.peek(4)).is_pending());
    assert_eq!((b.stats().received, network.stats().in_flight), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_until_the_peer_has_room_for_the_last_byte() {
    let mut config = Config::default();
    config.capacity = 10;
    let network = Network::new(config);
    let (mut a, mut b) = network.pair();
    a.put(b"0123456789");
    a.flush().await.unwrap();
    a.put(b"abcde");
    assert!(poll_once(a.flush()).is_pending());
    assert_eq!((a.queued(), network.stats().in_flight), (5, 10));
    assert_eq!(b.peek(1).await.unwrap(), b"0");
    a.put(b"f");
    a.flush().await.unwrap();
    assert_eq!(b.peek(16).await.unwrap(), b"0123456789abcdef");
}

#[tokio::test(start_paused = true)]
async fn many_tiny_chunks_wait_too() {
    let mut config = Config::default();
    config.chunk_capacity = 4;
    let (mut a, mut b) = Network::new(config).pair();
    for _ in 0..4 {
        a.write_all(b"x").await.unwrap();
    }
    a.put(b"x");
    assert!(poll_once(a.flush()).is_pending());
    b.skip_all(1).await.unwrap();
    a.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn long_pieces_travel_without_a_copy() {
    let mut config = Config::default();
    config.read_size = 1 << 20;
    let (mut a, mut b) = Network::new(config).pair();
    let data = Bytes::from(vec![7; 64 * 1024]);
    let pointer = data.as_ptr();
    a.write_binary(data);
    a.flush().await.unwrap();
    assert_eq!(a.stats().copied, 0);
    let read = b.read_binary(64 * 1024).await.unwrap();
    assert_eq!(read.as_ptr(), pointer);
    drop((a, b));
    assert_eq!(read, vec![7; 64 * 1024]);
}

#[tokio::test(start_paused = true)]
async fn bytes_are_contiguous_at_16_mib_and_both_directions_run_at_once() {
    const LENGTH: usize = 16 << 20;
    let (mut a, mut b) = Network::default().pair();
    let pattern = |n: usize| (n * 31 % 251) as u8;
    let other_end = tokio::spawn(async move {
        let echoed = b.read_binary(LENGTH).await.unwrap();
        b.write_binary(echoed);
        b.flush().await.unwrap();
        b
    });
    a.malloc(LENGTH).iter_mut().enumerate().for_each(|(n, byte)| *byte = pattern(n));
    a.flush().await.unwrap();
    let echoed = a.peek(LENGTH).await.unwrap();
    assert!(echoed.iter().enumerate().all(|(n, byte)| *byte == pattern(n)));
    other_end.await.unwrap();
}
