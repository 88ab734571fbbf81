//! Connections of streams across ways that are cut.

use dipole_net::{ErrorKind, ReceiveStreamExt, SendStreamExt};
use dipole_sim::Network;
use tokio::time::{Instant, sleep, timeout};

use crate::{closed_by_peer, ends, ends_with, kind, ms, secs, talk};

#[tokio::test(start_paused = true)]
async fn a_partition_shorter_than_the_idle_timeout_is_a_delay() {
    let network = Network::default();
    let ends = ends_with(&network, |options| {
        options.streams = 1;
        options.stream_window = 1000;
    })
    .await;
    let mut stream = ends.stream().await.unwrap();
    network.partition(&["alpha"], &["beta"]);
    stream.0.send.write_all(&[7; 500]).await.unwrap();
    let begin = Instant::now();
    let read = timeout(secs(10), stream.1.receive.read()).await;
    assert!(read.is_err(), "{read:?}");
    network.mend_all();
    assert_eq!(stream.1.receive.read().await.unwrap().expect("no end").len(), 500);
    assert!(begin.elapsed() > secs(10) && begin.elapsed() < secs(20));
    talk(&mut stream).await.unwrap();

    // Windows, ends and the credit for streams get through as well.
    network.partition(&["alpha"], &["beta"]);
    stream.0.send.close().await.unwrap();
    stream.1.send.close().await.unwrap();
    sleep(secs(1)).await;
    network.mend_all();
    assert_eq!(stream.1.receive.read().await.unwrap(), None);
    assert_eq!(stream.0.receive.read().await.unwrap(), None);
    drop(stream);
    let mut stream = timeout(secs(9), ends.stream()).await.expect("credit").unwrap();
    stream.0.send.write_all(&[7; 999]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_partition_longer_than_the_idle_timeout_ends_both_ends() {
    let network = Network::default();
    let ends = ends(&network).await;
    let mut stream = ends.stream().await.unwrap();
    network.partition(&["alpha"], &["beta"]);
    stream.0.send.write_all(b"lost").await.unwrap();
    sleep(secs(31)).await;
    network.mend_all();
    assert_eq!(kind(stream.1.receive.read().await), ErrorKind::TimedOut);
    assert_eq!(kind(stream.0.receive.read().await), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_one_sided_cut_starves_both_ends() {
    let network = Network::default();
    let ends = ends_with(&network, |options| options.keep_alive = Some(secs(5))).await;
    let mut stream = ends.stream().await.unwrap();
    network.cut("beta", "alpha");
    stream.0.send.write_all(b"one way").await.unwrap();
    assert_eq!(stream.1.receive.read().await.unwrap().as_deref(), Some(&b"one way"[..]));
    // Alpha hears nothing; and when it has gone, beta is told by nobody.
    assert!(ends.alpha.closed().await.is_timeout());
    let begin = Instant::now();
    let beta = ends.beta.closed().await;
    assert!(beta.is_timeout(), "{beta:?}");
    assert!(begin.elapsed() > secs(20), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_close_into_a_cut_is_lost_and_later_words_are_answered_by_a_reset() {
    let network = Network::default();
    let ends = ends(&network).await;
    let mut stream = ends.stream().await.unwrap();
    network.cut("alpha", "beta");
    ends.alpha.close_with_error(3, b"");
    sleep(secs(1)).await;
    network.mend_all();
    let silent = timeout(secs(5), ends.beta.closed()).await;
    assert!(silent.is_err(), "{silent:?}");
    stream.1.send.write_all(b"still there?").await.unwrap();
    assert_eq!(kind(stream.1.receive.read().await), ErrorKind::Reset);
}

#[tokio::test(start_paused = true)]
async fn without_an_idle_timeout_the_sender_gives_up_in_the_end() {
    let network = Network::default();
    let ends = ends_with(&network, |options| options.idle_timeout = None).await;
    let mut stream = ends.stream().await.unwrap();
    sleep(secs(3600)).await;
    talk(&mut stream).await.unwrap();
    network.partition(&["alpha"], &["beta"]);
    stream.0.send.write_all(b"lost").await.unwrap();
    let begin = Instant::now();
    assert_eq!(kind(stream.0.receive.read().await), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), secs(15 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_close_that_gets_through_is_seen_after_the_latency() {
    let mut config = dipole_sim::Config::default();
    config.latency = ms(40)..=ms(40);
    let network = Network::new(config);
    let ends = ends(&network).await;
    let begin = Instant::now();
    ends.alpha.close_with_error(9, b"");
    assert_eq!(ends.beta.closed().await.kind(), &closed_by_peer(9));
    assert_eq!(begin.elapsed(), ms(40));
}
