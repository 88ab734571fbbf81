//! The kit judges the network libraries under the HTTP server.

use std::sync::Arc;

use dipole::conformance::{HttpHost, Report, Status, Subject, judge};
use dipole::net::{Addr, Dialer, Transport};
use dipole::sim::{Config, Network};
use dipole::tokio::Tokio;

/// Judges the life cycle of servers on a library, under a clock that is paused or not.
fn judged<L>(library: L, addresses: &[&str], is_paused: bool) -> Report
where
    L: Transport + Dialer + 'static,
{
    let library = Arc::new(library);
    let address = |text: &&str| text.parse::<Addr>().expect("an address");
    let subject = Subject {
        name: Transport::name(&*library).into(),
        transport: library.clone(),
        dialer: library,
        addresses: addresses.iter().map(address).collect(),
        host: Some(Arc::new(HttpHost)),
        tls: None,
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(is_paused).build().expect("a runtime");
    runtime.block_on(judge(subject, Some("L"), |_| {})).expect("the group exists")
}

/// Every statement holds, but for these, which do not apply.
fn expect_all(report: &Report, not_applicable: &[&str]) {
    println!("{}", report.table());
    assert!(report.is_good(), "{}", report.table());
    let seen: Vec<_> = report
        .cases
        .iter()
        .filter(|case| case.status == Status::NotApplicable)
        .map(|case| &*case.id)
        .collect();
    assert_eq!(seen, not_applicable, "{}", report.table());
}

/// The cases count descriptors and run out of them, so this is one test.
#[test]
fn servers_live_and_end_as_the_contract_says_on_every_library() {
    let tokio = judged(Tokio::new(), &["127.0.0.1:0"], false);
    expect_all(&tokio, &["L4"]);

    for config in [Config::default(), Config::rough(1), Config::rough(2)] {
        let sim = judged(Network::new(config), &["sim:alpha:0", "10.0.0.1:0"], true);
        expect_all(&sim, &["L4", "L5", "L6", "L7", "L13"]);
    }
}
