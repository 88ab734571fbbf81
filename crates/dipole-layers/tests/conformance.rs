//! The conformance kit judges the simulated network under each layer, and under all of them.

use std::sync::Arc;
use std::time::Duration;

use dipole_conformance::{Subject, judge};
use dipole_layers::{
    Announcement, Faulty, LayerExt, Limit, Metrics, Pcap, ProxyProtocol, ProxyVersion, Throttle,
    Trace,
};
use dipole_net::{Dialer, Transport};
use dipole_sim::Network;

const SECOND: Duration = Duration::from_secs(1);

// One test: the kit counts the memory of the process, so nothing may run beside it.
#[tokio::test(start_paused = true)]
async fn every_layer_and_layers_over_layers_keep_the_contract() {
    let sim = Network::default;
    let trace = Trace::new().pcap(Pcap::to(std::io::sink()).expect("a sink takes all"));
    judged("trace", trace.over(sim())).await;
    let throttle = Throttle::new().read(1 << 40).write(1 << 40);
    judged("throttle", throttle.over(sim())).await;
    judged("faulty", Faulty::seeded(1).over(sim())).await;
    let limit = Limit::new().connections(100_000).received(1 << 40).sent(1 << 40);
    judged("limit", limit.lifetime(86_400 * SECOND).over(sim())).await;
    let metrics = Metrics::new();
    judged("metrics", metrics.clone().over(sim())).await;
    let totals = metrics.totals();
    assert!(totals.opened > 10_000 && totals.open == 0, "{totals:?}");

    let announce = ProxyProtocol::announce(ProxyVersion::V2, Announcement::Own);
    let expect = ProxyProtocol::expect(10 * SECOND);
    let network = sim();
    judged_apart("proxy protocol", expect.over(network.clone()), announce.over(network)).await;

    let stack = Faulty::seeded(1).over(Network::default());
    let stack = Metrics::new().over(Throttle::new().write(1 << 40).over(stack));
    judged("a stack", Limit::new().over(Trace::new().over(stack))).await;
}

async fn judged<L: Transport + Dialer + Clone + 'static>(name: &str, library: L) {
    judged_apart(name, library.clone(), library).await;
}

async fn judged_apart(
    name: &str,
    transport: impl Transport + 'static,
    dialer: impl Dialer + 'static,
) {
    let subject = Subject {
        name: name.into(),
        transport: Arc::new(transport),
        dialer: Arc::new(dialer),
        addresses: vec!["sim:alpha:0".parse().expect("an address")],
        host: None,
        tls: None,
    };
    let report = judge(subject, Some("B"), |_| {}).await.expect("B is a group");
    assert!(report.is_good(), "{name}:\n{}", report.table());
}
