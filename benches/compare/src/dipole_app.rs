//! Dipole with a plain tower service and one worker, on any of its network libraries.

use std::sync::Arc;

use dipole::Server;
use dipole::io::DrivenRuntime;
use dipole::net::Transport;

use crate::handler;

/// Serves on this thread and no other, as hyper and axum do here, until the process is ended.
pub fn serve_here(
    transport: impl Transport + 'static,
    name: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(served(transport, name))
}

/// The same, on a runtime that drives the library's own event source, as a worker's does.
pub fn serve_here_driven(
    transport: impl Transport + Clone + 'static,
    name: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let driven: Arc<dyn Transport> = Arc::new(transport.clone());
    DrivenRuntime::new([&driven])?.block_on(served(transport, name))
}

async fn served(
    transport: impl Transport + 'static,
    name: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(tower::service_fn(handler::answer))
        .listen(crate::listen_address(), transport)
        .workers(1)
        .spawn()?;
    crate::announce(server.local_addrs()[0].ip().expect("it listens on TCP"), name);
    server.wait().await;
    Ok(())
}
