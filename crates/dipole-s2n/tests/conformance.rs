//! The conformance kit judges QUIC on s2n-quic.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dipole_conformance::{Subject, cases, judge};
use dipole_s2n::S2n;
use dipole_tls::{Authority, ClientTls, ClientTlsOptions, ServerTls, ServerTlsOptions};

/// What it is not judged by yet, and what is known of it.
const NOT_YET: &[(&str, &str)] = &[
    ("S4", "credit for streams comes back late, or not at all, under a limit of one or two"),
    ("S6", "as S4"),
    ("S21", "a protocol error (flow control) after STOP_SENDING under small windows"),
    ("S26", "the end by idling was seen as a plain close; changed since, not judged since"),
    ("S28", "a connection is given once its handshake is done: the case waits for it before"),
    ("S29", "s2n-quic leaves version negotiation packets alone"),
    ("S30", "an upload does not go on after the relay changed the client's address"),
    ("S33", "S17 over the rough path: the send buffer takes more than its limit by one write"),
];

// One test: the kit counts descriptors and memory of the process, so nothing may run beside it.
#[tokio::test]
async fn s2n_keeps_what_is_judged_of_the_contract() {
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
    let statements = cases().into_iter().filter(|case| case.id.starts_with('S'));
    for case in statements.filter(|case| NOT_YET.iter().all(|(id, _)| *id != case.id)) {
        let report = judge(subject.clone(), Some(case.id), |_| {}).await.expect("it is a case");
        assert!(report.is_good(), "{}", report.table());
    }
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
