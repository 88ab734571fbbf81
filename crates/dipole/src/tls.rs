//! TLS for HTTP over any connection.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use dipole::{Server, tls, tokio::Tokio};
//!
//! fn main() -> dipole::net::Result<()> {
//!     let app = Router::new().route("/", get(|| async { "Hello, World!" }));
//!     let identity = tls::Identity::from_pem_files("chain.pem", "key.pem")?;
//!     let tls = tls::ServerTls::new(&tls::for_http(identity))?;
//!     Server::new(app).listen("127.0.0.1:8443", tls.over(Tokio::new())).run()
//! }
//! ```

use bytes::Bytes;
pub use dipole_tls::*;

/// What a client reads that speaks plain HTTP where TLS is expected.
const PLAIN_HTTP: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 63\r\n\
    connection: close\r\n\
    \r\n\
    This port takes HTTPS. The request came in plain HTTP over TCP.";

/// Shows `identity`; offers HTTP/2 and HTTP/1.1, which the server speaks; answers plain HTTP with
/// 400. To be changed as needed.
#[must_use]
pub fn for_http(identity: Identity) -> ServerTlsOptions {
    let mut options = ServerTlsOptions::new(identity);
    options.alpn = vec![Bytes::from_static(b"h2"), Bytes::from_static(b"http/1.1")];
    options.answer_to_plain_text = Bytes::from_static(PLAIN_HTTP.as_bytes());
    options
}

#[cfg(test)]
mod tests {
    use super::PLAIN_HTTP;

    #[test]
    fn the_answer_to_plain_http_is_as_long_as_it_says() {
        let (head, body) = PLAIN_HTTP.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
