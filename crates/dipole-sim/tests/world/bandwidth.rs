//! Ways that carry so many bytes per second.

use dipole_net::ConnExt;
use dipole_sim::{Config, Network};
use tokio::time::Instant;

use crate::{alpha_to_beta, ms, secs};

#[tokio::test(start_paused = true)]
async fn connections_of_the_same_way_share_its_bandwidth() {
    let mut config = Config::default();
    config.bandwidth = Some(100_000);
    let network = Network::new(config);
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (mut alpha, mut beta) = network.pair();
        tokio::spawn(async move {
            alpha.write_all(&[1; 50_000]).await.unwrap();
            alpha.peek(1).await.unwrap();
        });
        tasks.push(tokio::spawn(async move {
            beta.read_binary(50_000).await.unwrap();
            beta.write_all(b".").await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(begin.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn each_direction_of_a_way_behaves_on_its_own() {
    let network = Network::default();
    let mut slow = Config::default();
    slow.latency = ms(300)..=ms(300);
    network.set_way("beta", "alpha", slow);
    let begin = Instant::now();
    let (mut alpha, mut beta, _listener) = alpha_to_beta(&network).await;
    assert_eq!(begin.elapsed(), ms(300));
    alpha.write_all(b"up").await.unwrap();
    beta.peek(2).await.unwrap();
    assert_eq!(begin.elapsed(), ms(300));
    beta.write_all(b"down").await.unwrap();
    alpha.peek(4).await.unwrap();
    assert_eq!(begin.elapsed(), ms(600));
}
