//! The conformance kit judges QUIC on s2n-quic.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dipole_conformance::{Subject, judge};
use dipole_s2n::S2n;
use dipole_tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};

// One test: the kit counts descriptors and memory of the process, so nothing may run beside it.
#[tokio::test]
async fn s2n_keeps_the_contract() {
    let (server, client) = certified();
    let s2n = S2n::new(server, client);
    let subject = Subject {
        name: "s2n".into(),
        transport: Arc::new(s2n.clone()),
        dialer: Arc::new(s2n),
        addresses: ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().expect("an address")).into(),
        host: None,
        tls: None,
    };
    let report = judge(subject, None, |case| print!("{}", case.lines()))
        .await
        .expect("every case is chosen");
    assert!(report.is_good(), "{}", report.table());
}

/// A server for this machine, and a client that trusts whoever certified it.
fn certified() -> (ServerTls, ClientTls) {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let authority = Authority::new("conformance", now - hour..now + hour).expect("an authority");
    let names = ["localhost", "127.0.0.1", "::1"];
    let issued = authority.issue(&names, now - hour..now + hour).expect("a certificate");
    let mut trust = ClientTlsOptions::default();
    trust.roots = authority.roots();
    let server = ServerTls::new(&ServerTlsOptions::new(issued.identity)).expect("a server");
    (server, ClientTls::new(&trust).expect("a client"))
}
