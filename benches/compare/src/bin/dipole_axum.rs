//! The axum `Router` of `axum`, unchanged, on Dipole with its tokio network library and one worker.

use compare::routes::router;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = dipole::Server::new(router())
        .listen(compare::listen_address(), dipole::tokio::Tokio::new())
        .workers(1)
        .start()?;
    compare::announce(server.local_addrs()[0], "dipole_axum");
    server.wait();
    Ok(())
}
