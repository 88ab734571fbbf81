//! Bytes that are under way.

use dipole_net::{Conn, ConnExt, ErrorKind};
use dipole_sim::{Config, Network, Stall};
use tokio::time::{Instant, sleep};

use crate::{kind, ms, poll_once};

fn network(latency: std::ops::RangeInclusive<u64>) -> Network {
    let mut config = Config::default();
    config.latency = ms(*latency.start())..=ms(*latency.end());
    Network::new(config)
}

#[tokio::test(start_paused = true)]
async fn bytes_arrive_after_the_latency_and_the_end_after_them() {
    let (mut a, mut b) = network(50..=50).pair();
    let begin = Instant::now();
    a.write_all(b"one").await.unwrap();
    sleep(ms(20)).await;
    a.write_all(b"two").await.unwrap();
    drop(a);
    assert_eq!(begin.elapsed(), ms(20));
    assert!(poll_once(b.peek(1)).is_pending());
    assert_eq!(b.peek(1).await.unwrap(), b"o");
    assert_eq!((begin.elapsed(), b.len()), (ms(50), 3));
    assert_eq!(b.peek(6).await.unwrap(), b"onetwo");
    assert_eq!(begin.elapsed(), ms(70));
    assert_eq!(kind(b.peek(7).await), ErrorKind::Eof);
    assert_eq!(begin.elapsed(), ms(70));
}

#[tokio::test(start_paused = true)]
async fn order_is_kept_whatever_each_chunk_takes() {
    let (mut a, mut b) = network(0..=100).pair();
    for byte in 0..200 {
        a.write_all(&[byte]).await.unwrap();
    }
    drop(a);
    for byte in 0..200 {
        assert_eq!(b.read_byte().await.unwrap(), byte);
    }
    assert_eq!(kind(b.read_byte().await), ErrorKind::Eof);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_takes_a_round_trip_and_a_dial_another() {
    use dipole_net::DialerExt;

    let network = network(10..=10);
    let mut listener = crate::listen(&network, "sim:alpha:80");
    let begin = Instant::now();
    let mut client = network.dial_timeout(&listener.local_addr(), None).await.unwrap();
    assert_eq!(begin.elapsed(), ms(20));
    let server = tokio::spawn(async move {
        let mut conn = crate::accept(&mut listener).await;
        conn.skip_all(4).await.unwrap();
        conn.write_all(b"pong").await.unwrap();
        conn
    });
    client.write_all(b"ping").await.unwrap();
    assert_eq!(client.peek(4).await.unwrap(), b"pong");
    assert_eq!(begin.elapsed(), ms(40));
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_up_what_follows() {
    let mut config = Config::default();
    config.stall = Stall { probability: 1.0, length: ms(300)..=ms(300) };
    let (mut a, mut b) = Network::new(config).pair();
    let begin = Instant::now();
    a.write_all(b"late").await.unwrap();
    assert_eq!(b.peek(4).await.unwrap(), b"late");
    assert_eq!(begin.elapsed(), ms(300));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_may_break_the_connection_off() {
    let mut config = Config::default();
    config.reset_probability = 1.0;
    let network = Network::new(config);
    let (mut a, mut b) = network.pair();
    assert_eq!(kind(a.write_all(b"x").await), ErrorKind::Reset);
    assert_eq!(kind(a.peek(1).await), ErrorKind::Reset);
    assert_eq!(kind(b.peek(1).await), ErrorKind::Reset);
    assert_eq!(kind(b.write_all(b"x").await), ErrorKind::Reset);
    drop((a, b));
    assert_eq!(network.stats().connections, 0);
}
