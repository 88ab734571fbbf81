//! Dipole's server, on a network library that knows one connection: that of `dipole-io` over the
//! same client.

use std::convert::Infallible;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use dipole_http::{Body, Server};
use dipole_io::{BufferPool, IoConn};
use dipole_net::{
    Addr, Capabilities, Connection, Incoming, ListenOptions, Listener, Result, Transport,
};
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};

use crate::scenario::{BINARY, HELLO, TEXT};
use crate::{Client, Prepared, Scenario};

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    Prepared::new(|client| Box::pin(serve(client)), scenario, batches)
}

async fn serve(mut client: Client) {
    let dropped = client.dropped();
    let network = OneConnection(Mutex::new(Some(client)));
    Server::new(tower::service_fn(answer))
        .listen(Addr::Unnamed, network)
        .spawn()
        .expect("there is nothing to bind");
    dropped.await;
}

async fn answer(request: Request<Body>) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => response(TEXT, Bytes::from_static(HELLO.as_bytes())),
        (&Method::POST, "/echo") => {
            let body = request
                .into_body()
                .collect()
                .await
                .expect("the client sends it whole");
            response(BINARY, body.to_bytes())
        }
        _ => unreachable!("no scenario asks for anything else"),
    })
}

fn response(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
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
        let client = self
            .0
            .lock()
            .expect("no thread panics with the lock")
            .take();
        Ok(vec![Box::new(OneListener {
            client,
            pool: BufferPool::default(),
        })])
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
        Poll::Ready(Ok(Incoming::ready(
            Addr::Unnamed,
            Connection::Bytes(Box::new(conn)),
        )))
    }

    fn local_addr(&self) -> Addr {
        Addr::Unnamed
    }
}
