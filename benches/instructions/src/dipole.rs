//! Dipole's server, on a network library that knows one connection: that of `dipole-io` over the
//! same client. With a plain service, and with axum's `Router`.

use std::sync::Mutex;
use std::task::{Context, Poll};

use dipole_http::{HttpService, Server};
use dipole_io::{BufferPool, IoConn};
use dipole_net::{
    Addr, Capabilities, Connection, Incoming, ListenOptions, Listener, Result, Transport,
};

use crate::{Client, Prepared, Scenario, handler};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    let serve = |client| Box::pin(serve(client, tower::service_fn(handler::answer))) as _;
    Prepared::new(serve, scenario, batches)
}

/// The same with the `Router` of `axum`.
pub mod with_axum {
    use super::{Prepared, Scenario, serve};
    use crate::routes::router;

    /// A connection whose client sends `batches` batches.
    pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
        Prepared::new(|client| Box::pin(serve(client, router())), scenario, batches)
    }
}

async fn serve(mut client: Client, service: impl HttpService) {
    let dropped = client.dropped();
    let network = OneConnection(Mutex::new(Some(client)));
    Server::new(service)
        .listen(Addr::Unnamed, network)
        .spawn()
        .expect("there is nothing to bind");
    dropped.await;
}

/// A network library whose listener gives this client and then nobody.
struct OneConnection(Mutex<Option<Client>>);

impl Transport for OneConnection {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::NONE
    }

    fn listen(&self, _: &Addr, _: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        let client = self.0.lock().expect("no thread panics with the lock").take();
        Ok(vec![Box::new(OneListener { client, pool: BufferPool::default() })])
    }
}

struct OneListener {
    client: Option<Client>,
    pool: BufferPool,
}

impl Listener for OneListener {
    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<Result<Incoming>> {
        let Some(client) = self.client.take() else {
            return Poll::Pending;
        };
        let conn = IoConn::new(client, Addr::Unnamed, Addr::Unnamed, &self.pool);
        Poll::Ready(Ok(Incoming::ready(Addr::Unnamed, Connection::Bytes(Box::new(conn)))))
    }

    fn local_addr(&self) -> Addr {
        Addr::Unnamed
    }
}
