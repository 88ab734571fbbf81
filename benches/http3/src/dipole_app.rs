//! Dipole's HTTP/3: one worker, its defaults, the network library given.

use std::convert::Infallible;

use dipole::net::Transport;
use dipole::tls::{Identity, ServerTls, ServerTlsOptions};
use dipole::{Body, Server};
use http::{HeaderValue, Request, Response, StatusCode};

use crate::{announce, answer, certificate};

/// Serves on what `library` makes of a certificate, until it is ended from outside.
///
/// # Errors
/// It cannot listen.
pub fn serve<T: Transport + 'static>(
    name: &str,
    library: impl FnOnce(ServerTls) -> T,
) -> dipole::net::Result<()> {
    let (certificate, key) = certificate();
    let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes())?;
    let tls = ServerTls::new(&ServerTlsOptions::new(identity))?;
    let service = tower::service_fn(|request: Request<Body>| async move {
        let response = match answer(request.uri().path()) {
            Some((media_type, body)) => {
                let mut response = Response::new(Body::full(body));
                let media_type = HeaderValue::from_static(media_type);
                response.headers_mut().insert("content-type", media_type);
                response
            }
            None => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        };
        Ok::<_, Infallible>(response)
    });
    let server = Server::new(service).listen("127.0.0.1:0", library(tls)).start()?;
    for addr in server.local_addrs() {
        announce(addr.to_string().parse().expect("an IP address"), name);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(server.wait());
    Ok(())
}
