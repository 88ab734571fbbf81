//! The conformance kit judges this library, with the HTTP server as its host:
//! `cargo test -p own-network --test conformance`, or `-- B13` for one statement.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::sync::Arc;

    use dipole::conformance::{Clock, HttpHost, Subject};
    use own_network::Pipes;

    dipole::conformance::main(Clock::Real, || Subject {
        name: "pipes".into(),
        transport: Arc::new(Pipes::new()),
        dialer: Arc::new(Pipes::new()),
        addresses: vec!["pipe:any".parse().expect("an address")],
        host: Some(Arc::new(HttpHost)),
        tls: None,
    })
}

#[cfg(not(target_os = "linux"))]
fn main() {}
