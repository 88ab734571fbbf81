//! The kit judges TLS over the network libraries, and the libraries under TLS.

use std::sync::Arc;
use std::time::SystemTime;

use dipole::conformance::{HttpHost, Rustls, Subject, UNDER_TLS, judge};
use dipole::net::{Addr, Dialer, Transport};
use dipole::sim::Network;
use dipole::tokio::Tokio;

/// TLS itself.
const TLS: &str = "D6,D7,D8,L4";
const ON_SOCKETS: &str = "B35,B36,B45,B46,B47,B48,L8,L9,L11,L12";

/// The cases count descriptors and memory of the process, so this is one test. Sockets under TLS are
/// judged in full by `dipole conformance --network tokio+tls` and `uring+tls`: without optimisation ten thousand
/// handshakes take their time.
#[test]
fn byte_streams_keep_the_contract_under_tls_on_every_library() {
    keep(Network::default(), &["sim:alpha:0"], true, UNDER_TLS);
    keep(Tokio::new(), &["127.0.0.1:0", "[::1]:0"], false, ON_SOCKETS);
    #[cfg(all(target_os = "linux", feature = "uring"))]
    match dipole::uring::Uring::new() {
        Ok(uring) => keep(uring, &["127.0.0.1:0", "[::1]:0"], false, ON_SOCKETS),
        Err(error) => println!("NOT JUDGED: {error}"),
    }
}

/// First what is about TLS itself, then all about byte streams once more, under it.
fn keep<L>(library: L, addresses: &[&str], is_paused: bool, under_tls: &str)
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
        tls: Some(Arc::new(Rustls::new(SystemTime::now()).expect("certificates"))),
    };
    let secured = subject.clone().under_tls().expect("it has a TLS layer");
    for (subject, only) in [(subject, TLS), (secured, under_tls)] {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(is_paused).build().expect("a runtime");
        let progress = |case: &dipole::conformance::CaseReport| print!("{}", case.lines());
        let report =
            runtime.block_on(judge(subject, Some(only), progress)).expect("the cases exist");
        assert!(report.is_good(), "{}", report.table());
    }
}
