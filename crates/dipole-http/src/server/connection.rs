//! One connection's life: handshake, hooks, protocol, end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use dipole_net::{Conn, Connection, Error, ErrorKind, Incoming, Result};

use super::accept::Seat;
use super::registry::{Phase, Place};
use super::{Admission, ConnectionInfo, Worker};
use crate::{HttpService, h1};

/// Serves a connection that was just accepted, until either side ends it or the server does.
pub(super) async fn run<S: HttpService>(
    incoming: Incoming,
    service: S,
    worker: Arc<Worker>,
    place: Place,
    seat: Option<Box<Seat>>,
) {
    let _ended = Ended { worker: &worker, _seat: seat };
    poll_fn(|cx| Poll::Ready(place.settle(cx))).await;
    let mut served = pin!(serve(incoming, service, Arc::clone(&worker)));
    poll_fn(|cx| {
        if place.phase() == Phase::Ending {
            return Poll::Ready(());
        }
        served.as_mut().poll(cx)
    })
    .await;
}

async fn serve<S: HttpService>(incoming: Incoming, service: S, worker: Arc<Worker>) {
    let conn = match shake_hands(incoming, &worker).await {
        Ok(conn) => conn,
        Err(error) => {
            tracing::debug!(%error, "handshake failed");
            return;
        }
    };
    let info = (worker.hooks.on_connect.is_some() || worker.hooks.exposes_connection_info)
        .then(|| ConnectionInfo::of(&*conn));
    if let (Some(hook), Some(info)) = (&worker.hooks.on_connect, &info)
        && hook(info) == Admission::Refuse
    {
        worker.counters.refused.add_one();
        return;
    }
    h1::server::serve(conn, service, worker, info).await;
}

async fn shake_hands(incoming: Incoming, worker: &Worker) -> Result<Box<dyn Conn>> {
    let connection = match worker.config.handshake_timeout {
        None => incoming.accept().await?,
        Some(timeout) => tokio::time::timeout(timeout, incoming.accept())
            .await
            .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))?,
    };
    match connection {
        Connection::Bytes(conn) => Ok(conn),
        _ => Err(Error::with_message(ErrorKind::Unsupported, "HTTP/3 is not served yet")),
    }
}

/// Counts the connection's end, however it comes.
struct Ended<'a> {
    worker: &'a Worker,
    _seat: Option<Box<Seat>>,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.worker.counters.ended.add_one();
    }
}
