//! The same seed gives the same run.

use dipole_net::{Conn, ConnExt};
use dipole_sim::{Config, Network};
use tokio::time::{Instant, sleep};

use crate::ms;

/// When which bytes were seen, on two connections at once.
async fn run(seed: u64) -> Vec<(u128, usize, usize)> {
    let mut config = Config::rough(seed);
    config.reset_probability = 0.001;
    let network = Network::new(config);
    let begin = Instant::now();
    let (events, mut log) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..2 {
        let (mut a, mut b) = network.pair();
        let events = events.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                a.malloc(5000);
                if a.flush().await.is_err() {
                    break;
                }
                sleep(ms(3)).await;
            }
        });
        tokio::spawn(async move {
            while b.peek(1).await.is_ok() {
                events.send((begin.elapsed().as_nanos(), number, b.len())).unwrap();
                b.skip(b.len()).unwrap();
            }
            events.send((begin.elapsed().as_nanos(), number, 0)).unwrap();
        });
    }
    drop(events);
    let mut seen = Vec::new();
    while let Some(event) = log.recv().await {
        seen.push(event);
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_events_at_the_same_times() {
    let first = run(7).await;
    assert!(first.len() > 100, "{}", first.len());
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
}

#[tokio::test(start_paused = true)]
async fn where_the_stream_is_cut_does_not_depend_on_who_polls_when() {
    async fn cuts(pause: u64) -> Vec<usize> {
        let mut config = Config::default();
        config.seed = 5;
        config.chunk = Some(1..=1000);
        let (mut a, mut b) = Network::new(config).pair();
        a.write_all(&[0; 100_000]).await.unwrap();
        drop(a);
        let mut cuts = Vec::new();
        while b.peek(1).await.is_ok() {
            cuts.push(b.len());
            b.skip(b.len()).unwrap();
            sleep(ms(pause)).await;
        }
        cuts
    }
    let first = cuts(0).await;
    assert!(first.len() > 100 && first.iter().all(|length| (1..=1000).contains(length)));
    assert_eq!(first, cuts(3).await);
}

#[tokio::test(start_paused = true)]
async fn a_faultless_network_delivers_chunks_as_written() {
    let (mut a, mut b) = Network::default().pair();
    a.write_all(b"one").await.unwrap();
    a.write_all(b"three").await.unwrap();
    b.peek(1).await.unwrap();
    assert_eq!((b.buffered(), b.len()), (&b"one"[..], 8));
}
