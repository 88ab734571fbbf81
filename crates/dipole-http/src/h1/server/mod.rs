//! HTTP/1.1, the server's end of a connection.
//!
//! The way of a request, top-down: [`serve`] waits for its first byte; `Connection::poll_answer`
//! (`exchange.rs`) leads it through its states: its head is read (`head.rs`), the service is called
//! (`call.rs`) while its body comes (`request_body.rs`), and the response is sent (`respond.rs`),
//! with one flush for all requests that came together.

mod call;
mod connection;
mod exchange;
mod hand_over;
mod head;
mod linger;
mod request_body;
mod respond;
mod stop;
mod upgrade;

use std::future::poll_fn;

use dipole_net::{BoxFuture, Conn};

use self::connection::Connection;
use self::exchange::Exchange;
use self::hand_over::Successor;
use crate::HttpService;
use crate::server::{HTTP1, HTTP2, Protocol, Session};

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
fn serve<S: HttpService>(
    conn: Box<dyn Conn>,
    session: Session<S>,
) -> impl Future<Output = ()> + Send + use<S> {
    let (mut service, worker, info, protocols) = session.into_parts();
    let mut ending = Ending(Some(Connection::new(conn, worker, info)));
    // An `async fn` keeps room for its arguments beside what it makes of them; a block does not.
    async move {
        let Some(connection) = &mut ending.0 else { return };
        while connection.wait_for_request().await {
            let mut exchange = Exchange::<S>::on_heap();
            let answered =
                poll_fn(|cx| connection.poll_answer(&mut service, exchange.as_mut(), cx)).await;
            // While what is queued is sent, nothing is kept but the connection: on io_uring that may take until
            // the next request, and others use this memory while it is warm in the cache.
            drop(exchange);
            let reached = connection.note_dropped_handler();
            let answered = match answered {
                Ok(After::Wait) => {
                    connection.conn.release();
                    poll_fn(|cx| connection.poll_flush(cx)).await.map(|()| After::Wait)
                }
                answered => answered,
            };
            match answered.unwrap_or_else(|stop| connection.stop(stop, reached)) {
                After::Wait => connection.rest(),
                After::Close => return,
                After::PassOn(successor) => {
                    let Some(Connection { conn, worker, info, .. }) = ending.0.take() else {
                        return;
                    };
                    let is_secured = conn.tls().is_some();
                    let session = Session::new(service, worker, info, protocols, is_secured);
                    return pass_on(successor, conn, session).await;
                }
                after => return Box::pin(connection.linger(after)).await,
            }
        }
    }
}

fn pass_on<S: HttpService>(
    successor: Successor,
    conn: Box<dyn Conn>,
    session: Session<S>,
) -> BoxFuture<'static, ()> {
    match successor {
        Successor::Upgrade => Box::pin(upgrade::serve(conn, session)),
        Successor::Http2 => session
            .pass_on(dipole_net::Connection::Bytes(conn), HTTP2)
            .unwrap_or_else(|_| Box::pin(std::future::ready(()))),
    }
}

/// Ends the connection in its own way, unless it was passed on.
struct Ending(Option<Connection>);

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.end();
        }
    }
}

/// What becomes of the connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It sends what is queued and waits for the next one.
    Wait,
    /// Another protocol goes on with it.
    PassOn(Successor),
    /// It ends now; nobody is there to read more.
    Close,
    /// It ends once the peer has had the chance to read what was sent.
    Linger,
    /// The same, but nothing of the peer is known to be under way: a server that ends does not
    /// wait for it.
    Finish,
    /// It ends once all is sent: the peer has said that it sends no more.
    Part,
}
