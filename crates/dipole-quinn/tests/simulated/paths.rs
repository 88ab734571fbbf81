//! Loss, partitions, and addresses that change.

use dipole_net::{Addr, ErrorKind, SendStreamExt};
use dipole_sim::{Config, Network, Simulation};
use tokio::time::{Instant, sleep, timeout};

use crate::network::{CLIENT, SERVER};
use crate::{ends, kind, secs, upload};

#[test]
fn a_mebibyte_arrives_whole_under_one_and_ten_percent_loss() {
    for loss in [0.01, 0.1] {
        for seed in 0..5 {
            Simulation::new(Config::far(seed, loss)).run(|network| async move {
                let ends = ends(&network, |_| {}).await;
                upload(&ends, 1 << 20).await.expect("an upload");
                assert!(ends.client.stats().lost_packets > 0, "seed {seed} lost nothing");
            });
        }
    }
}

#[test]
fn a_partition_shorter_than_the_idle_timeout_is_a_delay() {
    Simulation::new(Config::far(1, 0.01)).run(|network| async move {
        let ends = ends(&network, |_| {}).await;
        upload(&ends, 1000).await.expect("an upload");
        network.partition(&[CLIENT], &[SERVER]);
        let begin = Instant::now();
        let cut = timeout(secs(10), upload(&ends, 1000)).await;
        assert!(cut.is_err(), "{cut:?}");
        network.mend_all();
        // The stream that was given up meanwhile comes first: as a reset, or as nothing.
        let mut other = ends.client.open_stream().expect("credit");
        other.send.write_all(b"x").await.expect("a write");
        let accepted = ends.server.accept_stream().await.expect("a stream");
        assert_eq!(accepted.receive.id(), other.receive.id());
        assert!(begin.elapsed() > secs(10) && begin.elapsed() < secs(30), "{:?}", begin.elapsed());
    });
}

#[test]
fn a_partition_longer_than_the_idle_timeout_ends_both_ends() {
    Simulation::new(Config::far(2, 0.01)).run(|network| async move {
        let ends = ends(&network, |options| options.idle_timeout = Some(secs(10))).await;
        upload(&ends, 1000).await.expect("an upload");
        network.partition(&[CLIENT], &[SERVER]);
        let begin = Instant::now();
        assert_eq!(kind(upload(&ends, 1000).await), ErrorKind::TimedOut);
        assert!(ends.client.closed().await.is_timeout());
        assert!(ends.server.closed().await.is_timeout());
        let took = begin.elapsed();
        assert!(took >= secs(9) && took < secs(30), "{took:?}");
        network.mend_all();
        sleep(secs(1)).await;
        assert_eq!(kind(ends.server.open_stream()), ErrorKind::TimedOut);
    });
}

#[test]
fn a_host_that_is_up_again_does_not_know_its_connections() {
    Simulation::new(Config::far(3, 0.0)).run(|network| async move {
        let ends = ends(&network, |options| options.idle_timeout = Some(secs(10))).await;
        upload(&ends, 1000).await.expect("an upload");
        network.crash(SERVER);
        network.restart(SERVER);
        let ended = ends.client.closed().await;
        assert!(ended.is_timeout(), "{ended:?}");
    });
}

#[test]
fn a_close_amid_an_upload_reaches_the_other_end() {
    for tenths in 0..20 {
        Simulation::new(Config::far(5, 0.0)).run(|network| async move {
            let ends = ends(&network, |_| {}).await;
            let mut stream = ends.client.open_uni_stream_sync().await.expect("a stream");
            let writing = tokio::spawn(async move {
                let data = vec![0; 1 << 20];
                while stream.write_all(&data).await.is_ok() {}
            });
            sleep(secs(1) / 10 * tenths).await;
            ends.client.close_with_error(7, b"enough");
            let ended = timeout(secs(1), ends.server.closed()).await;
            let ended = ended.unwrap_or_else(|_| panic!("after {tenths} tenths: nothing came"));
            assert!(matches!(ended.kind(), ErrorKind::Application { code: 7, .. }), "{ended:?}");
            writing.await.expect("no panic");
        });
    }
}

#[test]
fn a_client_whose_address_changes_goes_on_with_its_transfer() {
    Simulation::new(Config::far(4, 0.01)).run(|network: Network| async move {
        let ends = ends(&network, |_| {}).await;
        let before: Addr = ends.server.peer_addr();
        let (uploaded, ()) = tokio::join!(upload(&ends, 1 << 20), async {
            for _ in 0..3 {
                sleep(secs(1) / 4).await;
                ends.sockets.change_addresses();
            }
        });
        uploaded.expect("an upload");
        assert_ne!(ends.server.peer_addr(), before);
    });
}
