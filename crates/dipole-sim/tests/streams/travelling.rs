//! How data, credit and ends travel.

use std::time::Duration;

use dipole_net::{ReceiveStreamExt, SendStreamExt};
use dipole_sim::{Config, Loss, Network, UnreadAtClose};
use tokio::time::Instant;

use crate::{closed_by_peer, ends, ends_with, kind, ms, secs, talk};

fn with_latency(latency: Duration) -> Config {
    let mut config = Config::default();
    config.latency = latency..=latency;
    config
}

#[tokio::test(start_paused = true)]
async fn a_question_and_its_answer_take_a_round_trip() {
    let network = Network::new(with_latency(ms(30)));
    let ends = ends(&network).await;
    let mut stream = ends.stream().await.unwrap();
    let begin = Instant::now();
    talk(&mut stream).await.unwrap();
    assert_eq!(begin.elapsed(), ms(60));
    assert_eq!(ends.alpha.stats().round_trip, ms(60));
}

#[tokio::test(start_paused = true)]
async fn a_full_window_opens_a_round_trip_after_its_reader_has_read() {
    let network = Network::new(with_latency(ms(30)));
    let ends = ends_with(&network, |options| options.stream_window = 1000).await;
    let (mut ours, mut theirs) = ends.stream().await.unwrap();
    // The first byte's credit is on its way back.
    ours.send.write_all(&[0; 999]).await.unwrap();
    let begin = Instant::now();
    let writing = tokio::spawn(async move {
        ours.send.write_all(&[1; 1000]).await.unwrap();
        (ours, begin.elapsed())
    });
    let mut read = 0;
    while read < 1999 {
        read += theirs.receive.read().await.unwrap().expect("no end").len();
    }
    let (_ours, took) = writing.await.unwrap();
    assert_eq!(took, ms(60));
}

#[tokio::test(start_paused = true)]
async fn what_one_stream_loses_holds_up_no_other() {
    let mut overtaken = 0;
    for seed in 0..20 {
        let mut config = with_latency(ms(10));
        config.seed = seed;
        config.loss = Loss { probability: 0.3, ..Loss::default() };
        let network = Network::new(config);
        let ends = ends(&network).await;
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(ends.alpha.open_stream().unwrap());
        }
        for stream in &mut streams {
            stream.send.write_all(&stream.send.id().to_le_bytes()).await.unwrap();
        }
        let mut order = Vec::new();
        for _ in 0..8 {
            let mut stream = ends.beta.accept_stream().await.unwrap();
            let read = stream.receive.read().await.unwrap().expect("no end");
            assert_eq!(read[..], stream.receive.id().to_le_bytes());
            order.push(stream.receive.id());
        }
        overtaken += usize::from(!order.is_sorted());
        order.sort_unstable();
        assert_eq!(order, [0, 4, 8, 12, 16, 20, 24, 28]);
    }
    assert!(overtaken > 10, "{overtaken} of 20 seeds");
}

#[tokio::test(start_paused = true)]
async fn one_stream_arrives_in_order_whatever_it_loses() {
    let network = Network::new(Config::far(3, 0.2));
    let ends = ends(&network).await;
    let (mut ours, mut theirs) = ends.stream().await.unwrap();
    let sent: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let data = sent.clone();
    let writing = tokio::spawn(async move {
        ours.send.write_all(&data).await.unwrap();
        ours.send.close().await.unwrap();
        assert_eq!(ours.send.stopped().await.unwrap(), None);
    });
    let seen = theirs.receive.read_to_end(usize::MAX).await.unwrap();
    assert!(seen[..] == sent);
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn streams_share_the_bandwidth_of_their_way() {
    let mut config = Config::default();
    config.bandwidth = Some(10_000);
    let network = Network::new(config);
    let ends = ends(&network).await;
    let (mut first, mut firsts) = ends.stream().await.unwrap();
    let (mut second, mut seconds) = ends.stream().await.unwrap();
    let begin = Instant::now();
    first.send.write_all(&[1; 10_000]).await.unwrap();
    second.send.write_all(&[2; 10_000]).await.unwrap();
    firsts.receive.read().await.unwrap();
    assert!(begin.elapsed() >= secs(1));
    seconds.receive.read().await.unwrap();
    assert!(begin.elapsed() >= secs(2) && begin.elapsed() < ms(2010));
}

#[tokio::test(start_paused = true)]
async fn a_close_comes_behind_what_was_sent_before_it() {
    let mut config = with_latency(ms(10));
    config.unread_at_close = UnreadAtClose::Resets;
    let network = Network::new(config);
    let ends = ends(&network).await;
    let (mut ours, mut theirs) = ends.stream().await.unwrap();
    ours.send.write_all(b"last words").await.unwrap();
    ends.alpha.close_with_error(7, b"");
    assert_eq!(theirs.receive.read().await.unwrap().as_deref(), Some(&b"last words"[..]));
    assert_eq!(kind(theirs.receive.read().await), closed_by_peer(7));
    assert_eq!(kind(theirs.send.write(b"x").await), closed_by_peer(7));
    // At the end that closed, nothing is read any more.
    assert!(ours.receive.read().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_chunk_may_break_the_connection_off() {
    let mut config = Config::default();
    config.reset_probability = 1.0;
    let network = Network::new(config);
    let ends = ends(&network).await;
    let waiting = tokio::spawn({
        let beta = ends.beta.clone();
        async move { beta.closed().await }
    });
    let mut stream = ends.alpha.open_stream().unwrap();
    assert_eq!(kind(stream.send.write(b"x").await), dipole_net::ErrorKind::Reset);
    assert_eq!(waiting.await.unwrap().kind(), &dipole_net::ErrorKind::Reset);
}

#[tokio::test(start_paused = true)]
async fn datagrams_are_lost_whole() {
    let mut config = Config::far(5, 0.3);
    config.datagrams.size = 1240;
    let network = Network::new(config);
    let ends = ends_with(&network, |options| options.datagram_queue = 1 << 20).await;
    let (alpha, beta) = (ends.alpha.datagrams().unwrap(), ends.beta.datagrams().unwrap());
    assert_eq!(alpha.longest(), Some(1200));
    for number in 0..100_u8 {
        alpha.send(vec![number; 1200].into()).unwrap();
        tokio::time::sleep(ms(5)).await;
    }
    let mut seen = Vec::new();
    while let Ok(datagram) = tokio::time::timeout(secs(1), beta.receive()).await {
        let datagram = datagram.unwrap();
        assert!(datagram.len() == 1200 && datagram.iter().all(|byte| *byte == datagram[0]));
        seen.push(datagram[0]);
    }
    assert!((50..90).contains(&seen.len()), "{} came", seen.len());
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(alpha.longest(), Some(1200));
    assert_eq!(100 - seen.len() as u64, ends.alpha.stats().lost_packets);
}

#[tokio::test(start_paused = true)]
async fn datagrams_that_nobody_takes_displace_the_oldest() {
    let network = Network::default();
    let ends = ends_with(&network, |options| options.datagram_queue = 3000).await;
    let (alpha, beta) = (ends.alpha.datagrams().unwrap(), ends.beta.datagrams().unwrap());
    for number in 0..10_u8 {
        alpha.send(vec![number; 1000].into()).unwrap();
    }
    for number in 7..10 {
        assert_eq!(beta.receive().await.unwrap()[0], number);
    }
    assert!(tokio::time::timeout(secs(1), beta.receive()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_connections_that_ended_in_every_way() {
    let network = Network::new(Config::rough(9));
    for way in 0..6 {
        let ends = ends(&network).await;
        let mut streams = ends.stream().await.unwrap();
        streams.0.send.write_all(&[0; 5000]).await.unwrap();
        match way {
            0 => drop(streams),
            1 => ends.alpha.close_with_error(1, b""),
            2 => ends.beta.close_with_error(1, b""),
            3 => network.crash("beta"),
            4 => network.partition(&["alpha"], &["beta"]),
            _ => streams.1.receive.cancel_read(4),
        }
        drop(ends);
        network.mend_all();
        network.restart("beta");
    }
    let stats = network.stats();
    assert_eq!((stats.connections, stats.ends, stats.in_flight, stats.listeners), (0, 0, 0, 0));
}
