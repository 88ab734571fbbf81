//! The axum `Router` of `axum`, unchanged, on Dipole with its tokio network library and one worker.

use compare::routes::router;
use dipole::Server;
use dipole::tokio::Tokio;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::new(router())
            .listen(compare::listen_address(), Tokio::new())
            .workers(1)
            .spawn()?;
        compare::announce(server.local_addrs()[0].ip().expect("it listens on TCP"), "dipole_axum");
        server.wait().await;
        Ok(())
    })
}
