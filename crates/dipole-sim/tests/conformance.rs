//! The conformance kit judges the simulated network.

use std::sync::Arc;

use dipole_conformance::{Subject, judge};
use dipole_net::{Dialer, Transport};
use dipole_sim::{Config, Network};

// One test: the kit counts the memory of the process, so nothing may run beside it.
#[tokio::test(start_paused = true)]
async fn a_faultless_network_and_one_that_cuts_the_stream_keep_the_contract() {
    keeps_the_contract(Config::default(), "sim:alpha:0").await;
    let mut config = Config::default();
    config.chunk = Some(1..=2000);
    keeps_the_contract(config, "127.0.0.1:0").await;
}

async fn keeps_the_contract(config: Config, addr: &str) {
    let network = Network::new(config);
    is_good("sim", network.clone(), addr).await;
    is_good("sim-streams", network.streams(), addr).await;
    let stats = network.stats();
    assert_eq!((stats.connections, stats.listeners, stats.in_flight), (0, 0, 0));
}

async fn is_good<L: Transport + Dialer + Clone + 'static>(name: &str, library: L, addr: &str) {
    let subject = Subject {
        name: name.into(),
        transport: Arc::new(library.clone()),
        dialer: Arc::new(library),
        addresses: vec![addr.parse().expect("an address")],
        host: None,
        tls: None,
    };
    let report = judge(subject, None, |_| {}).await.expect("every case is chosen");
    assert!(report.is_good(), "{}", report.table());
}
