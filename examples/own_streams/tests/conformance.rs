//! The conformance kit judges this library, over simulated byte streams in virtual time:
//! `cargo test -p own-streams --test conformance`, or `-- S13` for one statement.

use std::process::ExitCode;
use std::sync::Arc;

use dipole_conformance::{Clock, Subject};
use dipole_sim::Network;
use own_streams::Mux;

fn main() -> ExitCode {
    dipole_conformance::main(Clock::Paused, || {
        let network = Network::default();
        let mux = Mux::over(network.clone(), network);
        Subject {
            name: "own-streams".into(),
            transport: Arc::new(mux.clone()),
            dialer: Arc::new(mux),
            addresses: vec!["sim:alpha:0".parse().expect("an address")],
            host: None,
            tls: None,
        }
    })
}
