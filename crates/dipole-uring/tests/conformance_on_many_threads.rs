//! The conformance kit judges the library on a runtime of several threads, which drive no ring: each
//! connection is touched from threads that are not its ring's.

#![cfg(target_os = "linux")]

use std::sync::Arc;

use dipole_conformance::{Subject, judge};
use dipole_uring::Uring;

// One test: the kit counts descriptors and memory of the process, so nothing may run beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn connections_that_any_thread_touches_keep_the_contract() {
    let uring = match Uring::new() {
        Ok(uring) => uring,
        Err(error) => return println!("NOT JUDGED: {error}"),
    };
    let subject = Subject {
        name: "uring, on many threads".into(),
        transport: Arc::new(uring.clone()),
        dialer: Arc::new(uring),
        addresses: vec!["127.0.0.1:0".parse().expect("an address")],
        host: None,
        tls: None,
    };
    let judged = judge(subject, None, |case| print!("{}", case.lines()));
    let report = judged.await.expect("every case is chosen");
    assert!(report.is_good(), "{}", report.table());
}
