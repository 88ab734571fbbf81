//! The conformance kit judges the library as a server's worker runs it: the ring on the runtime's
//! own thread, turned between its tasks and before it waits.

#![cfg(target_os = "linux")]

use std::sync::Arc;

use dipole_conformance::{Subject, judge};
use dipole_io::DrivenRuntime;
use dipole_net::Transport;
use dipole_uring::Uring;

// One test: the kit counts descriptors and memory of the process, so nothing may run beside it.
#[test]
fn a_ring_that_its_worker_drives_keeps_the_contract() {
    let uring = match Uring::new() {
        Ok(uring) => uring,
        Err(error) => return println!("NOT JUDGED: {error}"),
    };
    let subject = Subject {
        name: "uring, on a worker".into(),
        transport: Arc::new(uring.clone()),
        dialer: Arc::new(uring.clone()),
        addresses: vec!["127.0.0.1:0".parse().expect("an address")],
        host: None,
        tls: None,
    };
    let transport: Arc<dyn Transport> = Arc::new(uring.clone());
    let runtime = DrivenRuntime::new([&transport]).expect("a ring of this thread");
    let report = runtime
        .block_on(judge(subject, None, |case| print!("{}", case.lines())))
        .expect("every case is chosen");
    assert!(report.is_good(), "{}", report.table());
    let counters = uring.counters();
    assert!(counters.enters > 10_000, "it was this ring that was judged: {counters:?}");
}
