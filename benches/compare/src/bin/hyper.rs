//! hyper's HTTP/1 connection, used directly, on a current-thread tokio runtime.

use compare::handler;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(compare::listen())?;
    compare::announce(listener.local_addr()?, "hyper");
    let mut http = http1::Builder::new();
    http.pipeline_flush(true);
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(handler::answer));
        // A client that goes away ends its connection with an error, which concerns nobody here.
        tokio::spawn(async move { connection.await.ok() });
    }
}
