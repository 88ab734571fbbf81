//! Servers on io_uring: what handlers do there, and the protocols beside HTTP/1.1.

#![cfg(target_os = "linux")]

mod ecosystem;
mod protocols;
mod restless;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use dipole::uring::Uring;
use dipole::{Server, ServerHandle};

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One worker on a ring that serves `app`; `None`, and says why, where io_uring cannot be used.
fn serve(app: impl FnOnce(&Uring) -> Router) -> Option<(ServerHandle, SocketAddr)> {
    let uring = match Uring::new() {
        Ok(uring) => uring,
        Err(error) => {
            println!("NOT TRIED: {error}");
            return None;
        }
    };
    let app = app(&uring);
    let server = Server::new(app).listen("127.0.0.1:0", uring).workers(1).start().unwrap();
    let addr = server.local_addrs()[0].ip().unwrap();
    Some((server, addr))
}

/// Runs a test's client, on tokio.
fn client<F: Future>(client: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, client).await });
    ended.expect("it takes too long")
}
