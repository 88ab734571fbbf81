//! A hello on TCP and on a Unix socket at once: `cargo run -p dipole --example hello`.

use axum::Router;
use axum::routing::{get, post};
use dipole::Server;
use dipole::tokio::Tokio;

fn main() -> dipole::net::Result<()> {
    let app = Router::new()
        .route("/", get(|| async { "Hello, World!" }))
        .route("/echo", post(|body: axum::body::Bytes| async { body }));
    Server::new(app)
        .listen("127.0.0.1:8888", Tokio::new())
        .listen("unix:/tmp/hello.sock", Tokio::new())
        .workers(0) // one for each core
        .run()
}
