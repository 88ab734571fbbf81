//! One connection's life: handshake, hooks, protocol, end.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use dipole_net::{BoxFuture, Connection, ErrorKind, Incoming, Result};

use super::accept::Seat;
use super::protocol::Protocols;
use super::registry::{Phase, Place};
use super::{Admission, ConnectionInfo, Session, Worker};
use crate::HttpService;

/// A connection's share of its worker; counts the connection's end, however it comes.
pub(super) struct Admitted {
    worker: Arc<Worker>,
    place: Place,
    _seat: Option<Box<Seat>>,
}

impl Admitted {
    pub(super) fn new(worker: &Arc<Worker>, seat: Option<Box<Seat>>) -> Self {
        worker.counters.accepted.add_one();
        let place = worker.registry.join();
        Self { worker: Arc::clone(worker), place, _seat: seat }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.worker.counters.ended.add_one();
    }
}

/// Serves a connection whose handshake is still to come. Without one, [`run`] is called at once.
pub(super) fn shake_hands<S: HttpService>(
    incoming: Incoming,
    service: S,
    protocols: Arc<Protocols<S>>,
    admitted: Admitted,
) -> impl Future<Output = ()> + use<S> {
    let accepted = accept(incoming, admitted.worker.config.handshake_timeout);
    let step = Step::Handshake { accepted, service, protocols };
    Shaking { admitted, step, is_settled: false }
}

/// A connection from its handshake on. By hand, for ten thousand idle connections have one each, and
/// what `async` makes of it keeps room for all that it ever held: 128 bytes more of a task.
struct Shaking<S> {
    admitted: Admitted,
    step: Step<S>,
    is_settled: bool,
}

enum Step<S> {
    Handshake {
        accepted: BoxFuture<'static, Result<Connection>>,
        service: S,
        protocols: Arc<Protocols<S>>,
    },
    Served(BoxFuture<'static, ()>),
    Over,
}

impl<S: HttpService> Future for Shaking<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if !this.is_settled {
            this.admitted.place.settle(cx);
            this.is_settled = true;
        }
        let phase = this.admitted.place.phase();
        if let Step::Handshake { accepted, .. } = &mut this.step {
            // A server that drains does not wait for it.
            if phase >= Phase::Draining {
                return Poll::Ready(());
            }
            let accepted = ready!(accepted.as_mut().poll(cx));
            let done = std::mem::replace(&mut this.step, Step::Over);
            match (accepted, done) {
                (Ok(connection), Step::Handshake { service, protocols, .. }) => {
                    if let Some(served) = begin(connection, service, protocols, &this.admitted) {
                        this.step = Step::Served(served);
                    }
                }
                (Err(error), _) => tracing::debug!(%error, "handshake failed"),
                _ => {}
            }
        }
        match &mut this.step {
            Step::Served(served) if phase < Phase::Ending => served.as_mut().poll(cx),
            _ => Poll::Ready(()),
        }
    }
}

// Nothing here is pinned: the futures are on the heap.
impl<S> Unpin for Shaking<S> {}

/// The handshake, within its time.
fn accept(incoming: Incoming, limit: Option<Duration>) -> BoxFuture<'static, Result<Connection>> {
    Box::pin(async move {
        match limit {
            None => incoming.accept().await,
            Some(time) => tokio::time::timeout(time, incoming.accept())
                .await
                .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())),
        }
    })
}

/// Serves a connection until either side ends it or the server does.
pub(super) async fn run<S: HttpService>(
    connection: Connection,
    service: S,
    protocols: Arc<Protocols<S>>,
    admitted: Admitted,
) {
    let Some(mut served) = begin(connection, service, protocols, &admitted) else { return };
    to_its_end(&mut served, &admitted.place).await;
}

/// Ready when the connection has ended, or is to.
fn to_its_end<'a>(
    served: &'a mut BoxFuture<'static, ()>,
    place: &'a Place,
) -> impl Future<Output = ()> + use<'a> {
    let mut is_settled = false;
    poll_fn(move |cx| {
        if !is_settled {
            place.settle(cx);
            is_settled = true;
        }
        if place.phase() == Phase::Ending {
            return Poll::Ready(());
        }
        served.as_mut().poll(cx)
    })
}

/// Asks the hook, and gives the connection to its protocol. `None`: the connection is closed.
fn begin<S: HttpService>(
    connection: Connection,
    service: S,
    protocols: Arc<Protocols<S>>,
    admitted: &Admitted,
) -> Option<BoxFuture<'static, ()>> {
    let worker = &admitted.worker;
    let info = (worker.hooks.want_connection_info())
        .then(|| ConnectionInfo::of(&connection, worker.network))
        .flatten();
    if let (Some(hook), Some(info)) = (&worker.hooks.on_connect, &info)
        && hook(info) == Admission::Refuse
    {
        worker.counters.refused.add_one();
        return None;
    }
    let Some(protocol) = protocols.choose(&connection) else {
        tracing::error!(?connection, "the server has no protocol for this kind of connection");
        return None;
    };
    let is_secured = matches!(&connection, Connection::Bytes(conn) if conn.tls().is_some());
    let given = Arc::clone(&protocols);
    let session = Session::new(service, Arc::clone(worker), info, given, is_secured);
    Some(protocol.serve(connection, session))
}
