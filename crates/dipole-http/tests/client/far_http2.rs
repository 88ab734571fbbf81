//! The far end of an HTTP/2 connection, by the `h2` crate itself.

use bytes::Bytes;
use dipole_io::AsyncConn;
use dipole_net::Conn;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::task::JoinHandle;

use crate::far::FarConn;

type Io = AsyncConn<Box<dyn Conn>>;

/// A server's end, accepting by hand.
pub(crate) struct FarHttp2 {
    pub(crate) connection: Connection<Io, Bytes>,
}

/// A request, and where its response goes.
pub(crate) struct Asked {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

impl FarHttp2 {
    pub(crate) async fn new(conn: FarConn) -> Self {
        Self::built(conn, &Builder::new()).await
    }

    pub(crate) async fn built(conn: FarConn, builder: &Builder) -> Self {
        let connection = builder.handshake(AsyncConn::new(conn.conn)).await;
        Self { connection: connection.expect("the client speaks HTTP/2") }
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Asked {
        let accepted = self.connection.accept().await.expect("a request");
        let (request, respond) = accepted.expect("no fault");
        Asked { request, respond }
    }

    /// Lets the connection work in a task, until the client ends it.
    pub(crate) fn run(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Some(accepted) = self.connection.accept().await {
                if let Ok((_, mut respond)) = accepted {
                    respond.send_reset(Reason::REFUSED_STREAM);
                }
            }
        })
    }
}

impl Asked {
    pub(crate) fn answer(&mut self, body: &'static str) {
        let response = Response::new(());
        let mut stream = self.respond.send_response(response, false).expect("the client waits");
        stream.send_data(Bytes::from_static(body.as_bytes()), true).expect("the client waits");
    }

    pub(crate) fn refuse(&mut self) {
        self.respond.send_reset(Reason::REFUSED_STREAM);
    }
}

/// Answers every request of a connection, each in its own task, until the client ends it.
pub(crate) fn serve<F, R>(conn: FarConn, answer: F) -> JoinHandle<()>
where
    F: Fn(Request<RecvStream>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Bytes>> + Send,
{
    tokio::spawn(async move {
        let mut far = FarHttp2::new(conn).await;
        while let Some(accepted) = far.connection.accept().await {
            let Ok((request, mut respond)) = accepted else { return };
            let answer = answer.clone();
            tokio::spawn(async move {
                let (parts, body) = answer(request).await.into_parts();
                let response = Response::from_parts(parts, ());
                if let Ok(mut stream) = respond.send_response(response, false) {
                    let _ = stream.send_data(body, true);
                }
            });
        }
    })
}
