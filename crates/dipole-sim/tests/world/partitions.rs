//! Ways that are cut and mended.

use dipole_net::{ConnExt, DialerExt, ErrorKind};
use dipole_sim::{Config, Network};
use tokio::time::Instant;

use crate::{addr, alpha_to_beta, kind, ms, secs};

#[tokio::test(start_paused = true)]
async fn what_is_sent_into_a_cut_arrives_when_the_sender_tries_again() {
    let network = Network::default();
    let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
    network.cut("alpha", "beta");
    let begin = Instant::now();
    alpha.write_all(b"hello").await.unwrap();
    beta.set_read_timeout(Some(secs(1)));
    assert_eq!(kind(beta.peek(1).await), ErrorKind::TimedOut);
    network.mend("alpha", "beta");
    // Sent again after 0.2, 0.6 and 1.4 seconds.
    assert_eq!(beta.peek(5).await.unwrap(), b"hello");
    assert_eq!(begin.elapsed(), ms(1400));
}

#[tokio::test(start_paused = true)]
async fn a_one_sided_cut_lets_the_other_direction_through() {
    let network = Network::default();
    let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
    network.cut("alpha", "beta");
    beta.write_all(b"down").await.unwrap();
    assert_eq!(alpha.peek(4).await.unwrap(), b"down");
    alpha.write_all(b"up").await.unwrap();
    beta.set_read_timeout(Some(ms(100)));
    assert_eq!(kind(beta.peek(1).await), ErrorKind::TimedOut);
    // A handshake needs both directions.
    for from in ["alpha", "gamma"] {
        let dial = network.at(from).dial_timeout(&addr("sim:beta:80"), Some(secs(3))).await;
        assert_eq!(dial.is_ok(), from == "gamma");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dial_gets_through_once_the_partition_is_over() {
    let network = Network::default();
    let (_alpha, _beta, _listener) = alpha_to_beta(&network).await;
    network.partition(&["alpha", "gamma"], &["beta"]);
    let begin = Instant::now();
    let dialling = tokio::spawn({
        let network = network.clone();
        async move { network.at("alpha").dial_timeout(&addr("sim:beta:80"), None).await.is_ok() }
    });
    tokio::time::sleep(secs(5)).await;
    network.mend_all();
    assert!(dialling.await.unwrap());
    // Attempts at 0, 1, 3 and 7 seconds.
    assert_eq!(begin.elapsed(), secs(7));

    network.partition(&["alpha"], &["beta"]);
    let dial = network.at("alpha").dial_timeout(&addr("sim:beta:80"), None).await;
    assert_eq!(kind(dial), ErrorKind::TimedOut);
    assert_eq!(begin.elapsed(), secs(7 + 127));
}

#[tokio::test(start_paused = true)]
async fn a_sender_gives_up_alone_and_its_peer_stays_half_open() {
    let mut config = Config::default();
    config.loss.give_up_after = secs(60);
    let network = Network::new(config);
    let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
    network.partition(&["alpha"], &["beta"]);
    let begin = Instant::now();
    alpha.write_all(b"anybody there?").await.unwrap();
    assert_eq!(kind(alpha.peek(1).await), ErrorKind::Reset);
    assert_eq!(begin.elapsed(), secs(60));
    assert_eq!(kind(alpha.write_all(b"x").await), ErrorKind::Reset);
    drop(alpha);

    beta.set_read_timeout(Some(secs(600)));
    assert_eq!(kind(beta.peek(1).await), ErrorKind::TimedOut);
    network.mend_all();
    // Nobody knows of the connection over there.
    assert_eq!(kind(beta.write_all(b"still here").await), ErrorKind::Reset);
    assert_eq!(kind(beta.peek(1).await), ErrorKind::Reset);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_flush_gives_up_too() {
    let mut config = Config::default();
    config.loss.give_up_after = secs(60);
    let network = Network::new(config);
    let (mut alpha, _beta, _listener) = alpha_to_beta(&network).await;
    network.cut("alpha", "beta");
    let begin = Instant::now();
    assert_eq!(kind(alpha.write_all(&[0; 1 << 20]).await), ErrorKind::Reset);
    assert_eq!(begin.elapsed(), secs(60));
}

#[tokio::test(start_paused = true)]
async fn an_end_closed_behind_a_cut_is_seen_when_it_is_mended() {
    let network = Network::default();
    let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
    network.partition(&["alpha"], &["beta"]);
    alpha.write_all(b"bye").await.unwrap();
    drop(alpha);
    beta.set_read_timeout(Some(secs(1)));
    assert_eq!(kind(beta.peek(1).await), ErrorKind::TimedOut);
    network.mend_all();
    beta.set_read_timeout(None);
    assert_eq!(beta.peek(3).await.unwrap(), b"bye");
    assert_eq!(kind(beta.peek(4).await), ErrorKind::Eof);
    drop(beta);
    assert_eq!(network.stats().in_flight, 0);
    assert_eq!(network.stats().connections, 0);
}
