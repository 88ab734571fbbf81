//! The conformance kit judges QUIC on quinn.

mod support;

use std::sync::Arc;

use dipole_conformance::{Subject, judge};
use dipole_quinn::Quinn;

// One test: the kit counts descriptors and memory of the process, so nothing may run beside it.
#[tokio::test]
async fn quinn_keeps_the_contract() {
    let (server, client) = support::certified();
    let quinn = Quinn::new(server, client);
    let subject = Subject {
        name: "quinn".into(),
        transport: Arc::new(quinn.clone()),
        dialer: Arc::new(quinn),
        addresses: ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().expect("an address")).into(),
        host: None,
    };
    let report = judge(subject, None, |case| print!("{}", case.lines()))
        .await
        .expect("every case is chosen");
    assert!(report.is_good(), "{}", report.table());
}
