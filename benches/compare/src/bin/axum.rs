//! An axum `Router` under `axum::serve` on a current-thread tokio runtime.

use compare::routes::router;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(compare::listen())?;
    compare::announce(listener.local_addr()?, "axum");
    axum::serve(listener, router()).await
}
