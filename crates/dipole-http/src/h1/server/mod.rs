//! HTTP/1.1, the server's end of a connection.
//!
//! The way of a request, top-down: [`serve`] waits for its first byte; `Connection::answer` reads
//! its head (`head.rs`), calls the service (`call.rs`) while its body comes (`request_body.rs`),
//! and sends the response (`respond.rs`), one flush for all requests that came together.

mod call;
mod connection;
mod head;
mod linger;
mod request_body;
mod respond;
mod stop;

use dipole_net::Conn;

use self::connection::Connection;
use crate::HttpService;
use crate::server::{ConnectionInfo, Worker};
use std::sync::Arc;

/// Serves requests until either side ends the connection or the server drains.
///
/// While it waits for a request it holds no buffer and little else: all that a running request
/// needs is in a future of its own, on the heap until the connection is idle again.
pub(crate) async fn serve<S: HttpService>(
    conn: Box<dyn Conn>,
    service: S,
    worker: Arc<Worker>,
    info: Option<ConnectionInfo>,
) {
    let mut service = service;
    let mut connection = Connection::new(conn, worker, info);
    while connection.wait_for_request().await {
        match Box::pin(connection.answer(&mut service)).await {
            After::Wait => connection.rest(),
            After::Close => return,
            After::Linger => return Box::pin(connection.linger()).await,
        }
    }
}

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It waits for the next one.
    Wait,
    /// It ends now; nobody is there to read more.
    Close,
    /// It ends once the peer has had the chance to read what was sent.
    Linger,
}
