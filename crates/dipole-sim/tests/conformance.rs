//! The conformance kit judges the simulated network.

use std::sync::Arc;

use dipole_conformance::{Status, Subject, judge};
use dipole_sim::{Config, Network};

#[tokio::test(start_paused = true)]
async fn a_faultless_network_keeps_the_contract() {
    keeps_the_contract(Config::default(), "sim:alpha:0").await;
}

#[tokio::test(start_paused = true)]
async fn a_network_that_cuts_the_stream_keeps_the_contract() {
    let mut config = Config::default();
    config.chunk = Some(1..=2000);
    keeps_the_contract(config, "127.0.0.1:0").await;
}

#[tokio::test(start_paused = true)]
async fn x_rough() {
    keeps_the_contract(Config::rough(1), "sim:alpha:0").await;
}

#[tokio::test(flavor="multi_thread", worker_threads=2)]
async fn x_threads() {
    keeps_the_contract(Config::default(), "sim:alpha:0").await;
}

async fn keeps_the_contract(config: Config, addr: &str) {
    let network = Network::new(config);
    let subject = Subject {
        name: "sim".into(),
        transport: Arc::new(network.clone()),
        dialer: Arc::new(network.clone()),
        addresses: vec![addr.parse().expect("an address")],
        host: None,
    };
    let mut last = std::time::Instant::now();
    let report = judge(subject, None, |case| {
        let took = last.elapsed(); last = std::time::Instant::now();
        if took.as_millis() > 150 { println!("{} {took:?}", case.id) }
    }).await.expect("every case is chosen");
    println!("{}", report.table());
    let failed: Vec<_> = report.cases.iter().filter(|case| case.status == Status::Failed).collect();
    println!("{:?}", network.stats());
    assert!(failed.is_empty(), "{failed:#?}");
}
