//! The conformance kit judges TCP and Unix sockets on io_uring.

#![cfg(target_os = "linux")]

use std::sync::Arc;

use dipole_conformance::{Subject, judge};
use dipole_uring::Uring;

// One test: the kit counts descriptors and memory of the process, so nothing may run beside it.
#[tokio::test]
async fn tcp_and_unix_sockets_keep_the_contract() {
    let uring = match Uring::new() {
        Ok(uring) => uring,
        Err(error) => return println!("NOT JUDGED: {error}"),
    };
    let subject = Subject {
        name: "uring".into(),
        transport: Arc::new(uring.clone()),
        dialer: Arc::new(uring),
        addresses: ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().expect("an address")).into(),
        host: None,
        tls: None,
    };
    let report = judge(subject, None, |case| print!("{}", case.lines()))
        .await
        .expect("every case is chosen");
    assert!(report.is_good(), "{}", report.table());
}
