//! Hosts that go down and come back, and clocks that jump.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;

use dipole_net::{ConnExt, DialerExt, ErrorKind};
use dipole_sim::{Jump, Network};
use tokio::time::{sleep, timeout};

use crate::{accept, addr, alpha_to_beta, kind, listen, secs};

#[tokio::test(start_paused = true)]
async fn a_crash_leaves_its_peers_half_open_until_they_send() {
    let network = Network::default();
    let (mut alpha, mut beta, mut listener) = alpha_to_beta(&network).await;
    network.crash("beta");
    assert_eq!(kind(beta.peek(1).await), ErrorKind::Reset);
    assert_eq!(kind(beta.write_all(b"x").await), ErrorKind::Reset);
    assert!(timeout(secs(9), poll_fn(|cx| listener.poll_accept(cx))).await.is_err());

    alpha.set_read_timeout(Some(secs(60)));
    assert_eq!(kind(alpha.peek(1).await), ErrorKind::TimedOut);
    network.restart("beta");
    assert_eq!(kind(alpha.peek(1).await), ErrorKind::TimedOut);
    assert_eq!(kind(alpha.write_all(b"hello?").await), ErrorKind::Reset);
    assert_eq!(kind(alpha.peek(1).await), ErrorKind::Reset);
    drop((alpha, beta, listener));
    let stats = network.stats();
    assert_eq!((stats.connections, stats.in_flight, stats.listeners), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_to_a_host_that_is_down_is_answered_by_a_reset_after_its_restart() {
    let network = Network::default();
    let (mut alpha, _beta, _listener) = alpha_to_beta(&network).await;
    network.crash("beta");
    alpha.write_all(b"hello?").await.unwrap();
    let reading = tokio::spawn(async move { kind(alpha.peek(1).await) });
    sleep(secs(30)).await;
    assert!(!reading.is_finished());
    network.restart("beta");
    assert_eq!(reading.await.unwrap(), ErrorKind::Reset);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_host_can_listen_again_and_old_listeners_stay_silent() {
    let network = Network::default();
    let (_alpha, _beta, old) = alpha_to_beta(&network).await;
    network.crash("beta");
    let dial = network.dial_timeout(&addr("sim:beta:80"), Some(secs(2))).await;
    assert_eq!(kind(dial), ErrorKind::TimedOut);
    network.restart("beta");
    let dial = network.dial_timeout(&addr("sim:beta:80"), Some(secs(2))).await;
    assert_eq!(kind(dial), ErrorKind::Refused);
    let mut new = listen(&network, "sim:beta:80");
    drop(old);
    let _dialled = network.dial_timeout(&addr("sim:beta:80"), None).await.unwrap();
    accept(&mut new).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_runs_its_program_anew_after_each_restart() {
    let network = Network::default();
    let boots = Arc::new(AtomicUsize::new(0));
    let mut server = network.host("beta", {
        let boots = boots.clone();
        move |network| {
            let boot = boots.fetch_add(1, Relaxed) as u8;
            async move {
                let mut listener = listen(&network, "sim:beta:80");
                loop {
                    let mut conn = accept(&mut listener).await;
                    // A client that goes away is its own affair.
                    let _ = conn.write_all(&[boot]).await;
                }
            }
        }
    });
    let ask = async || {
        let mut conn = network.dial_timeout(&addr("sim:beta:80"), Some(secs(5))).await?;
        conn.read_byte().await
    };
    tokio::task::yield_now().await;
    for boot in 0..5 {
        assert_eq!(ask().await.unwrap(), boot);
        server.crash();
        assert_eq!(kind(ask().await), ErrorKind::TimedOut);
        server.restart();
        tokio::task::yield_now().await;
    }
    assert!(!server.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_jumps_both_ways_and_timers_do_not() {
    let network = Network::default();
    let alpha = network.at("alpha");
    let begin = alpha.wall_clock();
    assert!(begin > SystemTime::UNIX_EPOCH);
    network.jump_clock("alpha", Jump::Forward(secs(3600)));
    assert_eq!(alpha.wall_clock(), begin + secs(3600));
    assert_eq!(network.at("beta").wall_clock(), begin);
    network.jump_clock("alpha", Jump::Back(secs(7200)));
    assert_eq!(alpha.wall_clock(), begin - secs(3600));
    sleep(secs(5)).await;
    assert_eq!(alpha.wall_clock(), begin - secs(3595));
}
