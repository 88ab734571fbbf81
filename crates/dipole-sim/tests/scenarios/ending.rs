//! How a direction ends, as its reader sees it.

use dipole_net::{Conn, ConnExt, ErrorKind};
use dipole_sim::Network;

use crate::{kind, poll_once};

#[tokio::test(start_paused = true)]
async fn the_end_comes_after_every_byte_and_stays() {
    let (mut a, mut b) = Network::default().pair();
    a.write_all(b"abc").await.unwrap();
    drop(a);
    assert_eq!(kind(b.peek(4).await), ErrorKind::Eof);
    assert_eq!(b.peek(3).await.unwrap(), b"abc");
    assert_eq!(kind(b.peek(4).await), ErrorKind::Eof);
    b.skip(3).unwrap();
    assert_eq!(kind(b.read_byte().await), ErrorKind::Eof);
    assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 0);
    assert_eq!(b.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_but_not_flushed_is_not_sent_by_a_close() {
    let (mut a, mut b) = Network::default().pair();
    a.write_all(b"flushed").await.unwrap();
    a.put(b"queued");
    a.close();
    assert_eq!(kind(b.peek(8).await), ErrorKind::Eof);
    assert_eq!(b.buffered(), b"flushed");
}

#[tokio::test(start_paused = true)]
async fn after_a_half_close_the_other_direction_goes_on() {
    let (mut a, mut b) = Network::default().pair();
    a.put(b"question");
    a.shutdown().await.unwrap();
    a.shutdown().await.unwrap();
    assert_eq!(b.read_binary(8).await.unwrap(), "question");
    assert_eq!(kind(b.peek(1).await), ErrorKind::Eof);
    b.write_all(b"answer").await.unwrap();
    assert_eq!(a.peek(6).await.unwrap(), b"answer");
    a.flush().await.unwrap();
    a.put(b"more");
    assert_eq!(kind(a.flush().await), ErrorKind::Closed);
    assert_eq!(kind(a.shutdown().await), ErrorKind::Closed);
    assert_eq!(a.peek(6).await.unwrap(), b"answer");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_reader_learns_of_the_end() {
    let (mut a, mut b) = Network::default().pair();
    let reader = tokio::spawn(async move { kind(b.peek(1).await) });
    tokio::task::yield_now().await;
    a.shutdown().await.unwrap();
    assert_eq!(reader.await.unwrap(), ErrorKind::Eof);
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_seen_at_once_and_costs_what_is_under_way() {
    let network = Network::default();
    let (mut a, mut b) = network.pair();
    a.write_all(b"held").await.unwrap();
    b.peek(1).await.unwrap();
    a.write_all(b"lost").await.unwrap();
    a.reset();
    assert_eq!(b.peek(4).await.unwrap(), b"held");
    assert_eq!(kind(b.peek(5).await), ErrorKind::Reset);
    assert_eq!(kind(b.peek(5).await), ErrorKind::Reset);
    assert_eq!(b.buffered(), b"held");
    assert_eq!(kind(b.write_all(b"x").await), ErrorKind::Reset);
    assert_eq!(kind(b.shutdown().await), ErrorKind::Reset);
    assert_eq!(kind(a.flush().await), ErrorKind::Closed);
    assert_eq!(network.stats().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_reset_wakes_reader_and_writer() {
    let (mut a, b) = Network::default().pair();
    let (mut full, mut c) = Network::default().pair();
    let reader = tokio::spawn(async move {
        let mut b = b;
        kind(b.peek(1).await)
    });
    full.malloc(1 << 20);
    let writer = tokio::spawn(async move { kind(full.flush().await) });
    tokio::task::yield_now().await;
    a.reset();
    c.reset();
    assert_eq!(reader.await.unwrap(), ErrorKind::Reset);
    assert_eq!(writer.await.unwrap(), ErrorKind::Reset);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_seen_stays_an_end_after_a_reset() {
    let (mut a, mut b) = Network::default().pair();
    a.shutdown().await.unwrap();
    assert_eq!(kind(b.peek(1).await), ErrorKind::Eof);
    a.reset();
    assert_eq!(kind(b.peek(1).await), ErrorKind::Eof);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_queued() {
    let (mut a, mut b) = Network::default().pair();
    a.malloc(300 * 1024);
    assert!(poll_once(a.shutdown()).is_pending());
    b.skip_all(100 * 1024).await.unwrap();
    a.shutdown().await.unwrap();
    b.skip_all(200 * 1024).await.unwrap();
    assert_eq!(kind(b.peek(1).await), ErrorKind::Eof);
}
