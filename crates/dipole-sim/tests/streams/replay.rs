//! The same seed gives the same run.

use dipole_net::{ReceiveStreamExt, SendStreamExt};
use dipole_sim::{Config, Network, Simulation};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{ends_with, ms, secs};

/// Streams both ways, some of them broken off, under loss, a partition and a crash.
async fn scenario(network: Network) -> String {
    network.begin_log();
    let ends = ends_with(&network, |options| {
        options.streams = 4;
        options.stream_window = 4000;
        options.keep_alive = Some(secs(1));
        options.datagram_queue = 10_000;
    })
    .await;
    let mut tasks = JoinSet::new();
    for (number, conn) in [&ends.alpha, &ends.beta, &ends.alpha].into_iter().enumerate() {
        let (opener, acceptor) = (conn.clone(), conn.clone());
        tasks.spawn(async move {
            for round in 0..30_usize {
                let Ok(mut stream) = opener.open_stream_sync().await else { break };
                if stream.send.write_all(&vec![round as u8; 700 * round]).await.is_err() {
                    continue;
                }
                match (round + number) % 3 {
                    0 => stream.send.cancel_write(round as u64),
                    _ => drop(stream.send.close().await),
                }
                if let Some(datagrams) = opener.datagrams() {
                    drop(datagrams.send(vec![0; 100].into()));
                }
            }
        });
        tasks.spawn(async move {
            while let Ok(mut stream) = acceptor.accept_stream().await {
                tokio::spawn(async move {
                    let mut left = 8000_usize;
                    while let Ok(Some(data)) = stream.receive.read().await {
                        left = left.saturating_sub(data.len());
                        if left == 0 {
                            stream.receive.cancel_read(1);
                        }
                    }
                });
            }
        });
    }
    sleep(ms(400)).await;
    network.cut("alpha", "beta");
    sleep(secs(3)).await;
    network.mend_all();
    sleep(secs(60)).await;
    network.crash("alpha");
    sleep(secs(60)).await;
    network.log()
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    let run = |seed| Simulation::new(Config::far(seed, 0.05)).run(scenario);
    let log = run(21);
    assert!(log.lines().count() > 500, "{} lines", log.lines().count());
    for event in ["took", "finished", "reset with code", "stopped with code", "datagram", "cut"] {
        assert!(log.contains(event), "no {event:?}");
    }
    assert!(run(21) == log, "the logs differ");
    assert!(run(22) != log);
}
