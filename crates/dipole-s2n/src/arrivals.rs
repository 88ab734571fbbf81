//! The peer's streams, in the order in which something comes on them.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use dipole_io::{Arriving, Silent};
use dipole_net::Result;
use s2n_quic::connection::Error as ConnectionError;
use tokio::sync::Mutex;

use crate::conn::Shared;

/// The peer's streams of one kind, taken from `acceptor`.
pub(crate) struct Arrivals<A, S> {
    queue: Mutex<(A, Silent<S>)>,
}

impl<A, S: Arriving> Arrivals<A, S> {
    pub(crate) fn new(acceptor: A) -> Self {
        Self { queue: Mutex::new((acceptor, Silent::default())) }
    }

    /// The next stream that carries something. Those that wait are served in turn; whoever gives
    /// up leaves all streams to the others (S8).
    pub(crate) async fn next(
        &self,
        shared: &Arc<Shared>,
        poll: impl Fn(&mut A, &mut Context<'_>) -> Poll<Result<Option<S>, ConnectionError>>,
    ) -> Result<S> {
        let mut queue = self.queue.lock().await;
        poll_fn(|cx| {
            let (acceptor, silent) = &mut *queue;
            // Also what came before the end is given before it.
            if let Poll::Ready(stream) = silent.poll_next(cx) {
                return Poll::Ready(Ok(stream));
            }
            loop {
                match ready!(poll(acceptor, cx)) {
                    Ok(Some(stream)) => {
                        if let Poll::Ready(stream) = silent.poll_push(stream, cx) {
                            return Poll::Ready(Ok(stream));
                        }
                    }
                    Ok(None) => return Poll::Ready(Err(shared.why())),
                    Err(error) => return Poll::Ready(Err(shared.error(error))),
                }
            }
        })
        .await
    }
}
