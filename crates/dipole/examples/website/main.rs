//! What a browser asks for: a page with fifty pictures, a download, and a WebSocket that echoes, over
//! HTTP, HTTPS and HTTP/3 at once.
//!
//! `cargo run -p dipole --features tls,quinn --example website`, then open the URLs that it prints. The
//! certificate is made for this machine, so the browser warns until it is told to trust it.

use std::env::args;
use std::time::SystemTime;

use axum::Router;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Path, WebSocketUpgrade};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use dipole::Server;
use dipole::quinn::Quinn;
use dipole::tls::{DevelopmentIdentity, ServerTls, ServerTlsOptions, for_http};
use dipole::tokio::Tokio;

#[tokio::main(flavor = "current_thread")]
async fn main() -> dipole::net::Result<()> {
    let mut args = args().skip(1);
    let plain = args.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let secured = args.next().unwrap_or_else(|| "127.0.0.1:8443".into());
    let folder = args.next().unwrap_or_else(|| "target/website".into());

    let development = DevelopmentIdentity::in_directory(folder, SystemTime::now())?;
    let tls = ServerTls::new(&for_http(development.identity.clone()))?;
    let mut streams = ServerTlsOptions::new(development.identity);
    streams.alpn = vec![Bytes::from_static(b"h3")];
    let quinn = Quinn::server(ServerTls::new(&streams)?);
    let website = Router::new()
        .route("/", get(Html(include_str!("page.html"))))
        .route("/pictures/{number}", get(picture))
        .route("/numbers.csv", get(download))
        .route("/echo", any(echo)); // GET on HTTP/1.1, CONNECT on HTTP/2 and HTTP/3
    let server = Server::new(website)
        .listen(plain.as_str(), Tokio::new())
        .listen(secured.as_str(), tls.over(Tokio::new()))
        .listen(secured.as_str(), quinn)
        .start()?;
    let ways = [("http", "tokio"), ("https", "tokio"), ("https", "quinn")];
    for ((scheme, library), addr) in ways.iter().zip(server.local_addrs()) {
        println!("listening on {scheme}://{addr} ({library})");
    }
    server.wait().await;
    Ok(())
}

/// A square of its own colour.
async fn picture(Path(number): Path<u16>) -> impl IntoResponse {
    let hue = number.wrapping_mul(7) % 360;
    let square = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="24" height="24"><rect width="24" height="24" fill="hsl({hue} 70% 55%)"/></svg>"#
    );
    ([(CONTENT_TYPE, "image/svg+xml")], square)
}

/// 200,000 lines for the disk.
async fn download() -> impl IntoResponse {
    let lines: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let name = "attachment; filename=\"numbers.csv\"";
    ([(CONTENT_TYPE, "text/csv"), (CONTENT_DISPOSITION, name)], lines)
}

/// Every message comes back.
async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket: WebSocket| {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(_) | Message::Binary(_) = message
                && socket.send(message).await.is_err()
            {
                break;
            }
        }
    })
}
