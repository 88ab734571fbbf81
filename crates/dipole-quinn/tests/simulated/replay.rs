//! The same seed gives the same run.
//!
//! What repeats is everything but the bytes themselves: when each datagram is sent and arrives, its
//! length, what is lost. Connection ids, keys and signatures are drawn by others (the system, TLS);
//! they change no length here, so the log is the same byte for byte. With another kind of key, whose
//! signatures differ in length, it would not be.

use dipole_sim::{Config, Network, Simulation};

use crate::network::{CLIENT, SERVER};
use crate::{ends, secs, upload};

async fn scenario(network: Network) -> String {
    network.begin_log();
    let ends = ends(&network, |options| options.keep_alive = Some(secs(2))).await;
    for round in 1..4 {
        upload(&ends, 100_000).await.expect("an upload");
        network.cut(CLIENT, SERVER);
        tokio::time::sleep(secs(round)).await;
        network.mend_all();
    }
    ends.client.close_with_error(1, b"enough");
    ends.server.closed().await;
    network.log()
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    let run = |seed| Simulation::new(Config::far(seed, 0.05)).run(scenario);
    let log = run(7);
    assert!(log.lines().count() > 300, "{} lines", log.lines().count());
    let again = run(7);
    let differ = log.lines().zip(again.lines()).find(|(one, other)| one != other);
    assert_eq!(differ, None);
    assert!(log == again, "one log is longer");
    assert!(run(8) != log);
}
