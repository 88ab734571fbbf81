//! An axum service in one process, its client in another, and pipes between them:
//! `cargo run -p own-network --example two_processes`.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        None => linux::serve(),
        Some(url) => linux::fetch(&url),
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::process::Command;
    use std::time::Duration;

    use axum::{Router, routing::get};
    use dipole::{Body, Client, Server};
    use own_network::Pipes;

    /// Serves, and starts this program again as the client.
    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn serve() -> Result<(), Box<dyn std::error::Error>> {
        let service = std::process::id();
        let app = Router::new()
            .route("/", get(move || async move { format!("Hello from process {service}\n") }));
        let name = format!("hello-{service}");
        let addr = dipole::net::Addr::other("pipe", &name);
        let server = Server::new(app).workers(1).listen(addr, Pipes::new()).start()?;

        let mut client = Command::new(std::env::current_exe()?);
        client.arg(format!("http://{name}/"));
        let ended = tokio::task::spawn_blocking(move || client.status()).await??;
        let drained = server.shutdown(Duration::from_secs(1)).await;
        println!("the server has ended: {drained:?}");
        if ended.success() { Ok(()) } else { Err(format!("the client: {ended}").into()) }
    }

    /// Fetches `url` and prints what comes.
    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn fetch(url: &str) -> Result<(), Box<dyn std::error::Error>> {
        let client = Client::builder().with_dialer(Pipes::new()).build();
        let response = client.request(http::Request::get(url).body(Body::empty())?).await?;
        let (status, body) = (response.status(), response.into_body().into_bytes(64 * 1024).await?);
        print!("process {} got {status}: {}", std::process::id(), String::from_utf8_lossy(&body));
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
