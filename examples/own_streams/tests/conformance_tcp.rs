//! The conformance kit judges this library over TCP of the machine:
//! `cargo test -p own-streams --test conformance_tcp`, or `-- S13` for one statement.

use std::process::ExitCode;
use std::sync::Arc;

use dipole_conformance::{Clock, Subject};
use dipole_tokio::Tokio;
use own_streams::Mux;

fn main() -> ExitCode {
    dipole_conformance::main(Clock::Real, || {
        let mux = Mux::over(Tokio::default(), Tokio::default());
        Subject {
            name: "own-streams".into(),
            transport: Arc::new(mux.clone()),
            dialer: Arc::new(mux),
            addresses: vec!["127.0.0.1:0".parse().expect("an address")],
            host: None,
            tls: None,
        }
    })
}
