//! HTTP/1.1, the server's end of a connection.
//!
//! The way of a request, top-down: [`serve`] waits for its first byte; `Connection::poll_answer`
//! (`exchange.rs`) leads it through its states: its head is read (`head.rs`), the service is called
//! (`call.rs`) while its body comes (`request_body.rs`), and the response is sent (`respond.rs`),
//! with one flush for all requests that came together.

mod call;
mod connection;
mod exchange;
mod head;
mod linger;
mod request_body;
mod respond;
mod stop;

use std::future::poll_fn;

use dipole_net::{BoxFuture, Conn};

use self::connection::Connection;
use self::exchange::Exchange;
use crate::HttpService;
use crate::server::{HTTP1, Protocol, Session};

/// HTTP/1.1 as a protocol of the server.
pub(crate) struct Http1;

impl<S: HttpService> Protocol<S> for Http1 {
    fn alpn(&self) -> &[u8] {
        HTTP1
    }

    fn serve(
        &self,
        connection: dipole_net::Connection,
        session: Session<S>,
    ) -> BoxFuture<'static, ()> {
        match connection.into_bytes() {
            Some(conn) => Box::pin(serve(conn, session)),
            None => Box::pin(std::future::ready(())),
        }
    }
}

/// Serves requests until either side ends the connection or the server drains.
///
/// While it waits for a request it holds no buffer and little else: all that requests under way
/// need is in an [`Exchange`] on the heap, until the connection is idle again.
async fn serve<S: HttpService>(conn: Box<dyn Conn>, session: Session<S>) {
    let Session { mut service, worker, info, .. } = session;
    let mut connection = Connection::new(conn, worker, info);
    while connection.wait_for_request().await {
        let mut exchange = Box::pin(Exchange::<S>::new());
        let answered =
            poll_fn(|cx| connection.poll_answer(&mut service, exchange.as_mut(), cx)).await;
        drop(exchange);
        connection.note_dropped_handler();
        match answered.unwrap_or_else(|stop| connection.stop(stop)) {
            After::Wait => connection.rest(),
            After::Close => return,
            after => return Box::pin(connection.linger(after)).await,
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
    /// The same, but nothing of the peer is known to be under way: a server that ends does not
    /// wait for it.
    Finish,
}
