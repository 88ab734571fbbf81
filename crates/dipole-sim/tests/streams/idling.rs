//! Idle timeouts, keep-alives, and peers that are gone without a word.

use dipole_net::{ErrorKind, ReceiveStreamExt, SendStreamExt};
use dipole_sim::{Config, Network};
use tokio::time::{Instant, sleep};

use crate::{ends, ends_with, kind, ms, secs, talk};

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_at_its_timeout_and_not_before() {
    let network = Network::default();
    let ends = ends(&network).await;
    let mut stream = ends.stream().await.unwrap();
    sleep(secs(29)).await;
    talk(&mut stream).await.unwrap();
    let begin = Instant::now();
    assert!(ends.beta.closed().await.is_timeout());
    assert_eq!(begin.elapsed(), secs(30));
    assert_eq!(kind(stream.0.receive.read().await), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_nobody_watched_has_timed_out_all_the_same() {
    let network = Network::default();
    let ends = ends(&network).await;
    let mut stream = ends.stream().await.unwrap();
    sleep(secs(31)).await;
    assert_eq!(kind(stream.0.send.write(b"x").await), ErrorKind::TimedOut);
    assert_eq!(kind(ends.beta.open_stream()), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_keep_alive_keeps_both_ends_through_a_day() {
    let network = Network::new(Config::far(1, 0.01));
    let ends = ends_with(&network, |options| options.keep_alive = Some(secs(10))).await;
    let mut stream = ends.stream().await.unwrap();
    sleep(secs(24 * 60 * 60)).await;
    talk(&mut stream).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_crashed_is_missed_after_the_idle_timeout() {
    let network = Network::default();
    let ends = ends_with(&network, |options| options.keep_alive = Some(secs(3))).await;
    let mut stream = ends.stream().await.unwrap();
    sleep(secs(100)).await;
    talk(&mut stream).await.unwrap();
    let begin = Instant::now();
    network.crash("beta");
    assert_eq!(kind(stream.1.receive.read().await), ErrorKind::Reset);
    assert_eq!(kind(stream.0.receive.read().await), ErrorKind::TimedOut);
    // Its first unanswered ping counts as a sign of life of its own (RFC 9000 section 10.1).
    assert!(begin.elapsed() >= secs(30) && begin.elapsed() <= secs(33), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_up_again_answers_with_a_reset() {
    let network = Network::default();
    let ends = ends(&network).await;
    let (mut ours, _theirs) = ends.stream().await.unwrap();
    network.crash("beta");
    sleep(secs(5)).await;
    network.restart("beta");
    // Nothing tells alpha so until it says something.
    ours.receive.set_read_deadline(Some((Instant::now() + secs(2)).into_std()));
    assert_eq!(kind(ours.receive.read().await), ErrorKind::TimedOut);
    ours.receive.set_read_deadline(None);
    ours.send.write_all(b"hello?").await.unwrap();
    let begin = Instant::now();
    assert_eq!(kind(ours.receive.read().await), ErrorKind::Reset);
    assert!(begin.elapsed() < ms(10));
}
