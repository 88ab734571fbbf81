//! Dipole with a plain tower service and one worker, on any of its network libraries.

use dipole::Server;
use dipole::net::Transport;

use crate::handler;

/// Serves on this thread and no other, as hyper and axum do here, until the process is ended.
pub fn serve_here(
    transport: impl Transport + 'static,
    name: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::new(tower::service_fn(handler::answer))
            .listen(crate::listen_address(), transport)
            .workers(1)
            .spawn()?;
        crate::announce(server.local_addrs()[0].ip().expect("it listens on TCP"), name);
        server.wait().await;
        Ok(())
    })
}

/// Serves on a worker's own thread, which drives the library's event source, until the process is
/// ended.
pub fn serve(transport: impl Transport + 'static, name: &str) -> dipole::net::Result<()> {
    let server = Server::new(tower::service_fn(handler::answer))
        .listen(crate::listen_address(), transport)
        .workers(1)
        .start()?;
    let address = server.local_addrs()[0].ip().expect("it listens on TCP");
    crate::announce(address, name);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(server.wait());
    Ok(())
}
