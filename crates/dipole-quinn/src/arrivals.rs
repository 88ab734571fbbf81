//! The peer's streams, in the order in which something comes on them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use dipole_io::Silent;
use dipole_net::Result;
use quinn::ConnectionError;
use tokio::sync::Mutex;

use crate::conn::Ending;
use crate::handshake::Handshake;
use crate::receive::QuinnReceive;

/// The peer's streams of one kind. `S` is what comes with the receiving half.
pub(crate) struct Arrivals<S> {
    /// While streams may come as early data.
    handshake: Option<Arc<Handshake>>,
    queue: Mutex<Queue<S>>,
}

struct Queue<S> {
    silent: Silent<(S, QuinnReceive)>,
    /// Whether streams may still have come as early data.
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Early,
    Secured,
}

impl<S> Arrivals<S> {
    pub(crate) fn new(handshake: Option<Arc<Handshake>>) -> Self {
        let phase = if handshake.is_some() { Phase::Early } else { Phase::Secured };
        Self { handshake, queue: Mutex::new(Queue { silent: Silent::default(), phase }) }
    }

    /// The next stream that carries something. Those that wait are served in turn; whoever gives
    /// up leaves all streams to the others (S8).
    pub(crate) async fn next<F>(
        &self,
        accept: impl Fn() -> F,
        ending: &Arc<Ending>,
    ) -> Result<(S, QuinnReceive)>
    where
        F: Future<Output = Result<(S, quinn::RecvStream), ConnectionError>>,
    {
        let mut queue = self.queue.lock().await;
        let mut accepting = pin!(accept());
        // On the heap, and only where it matters: an idle connection waits here.
        let mut handshake = match (queue.phase, &self.handshake) {
            (Phase::Early, Some(handshake)) => Some(Box::pin(handshake.over())),
            _ => None,
        };
        // What it needs is moved into it: a future has a place for each name.
        poll_fn(move |cx| {
            // Asked for before the queue is emptied: what comes out of it was there before.
            let is_secured = match &mut handshake {
                Some(handshake) => handshake.as_mut().poll(cx).is_ready(),
                None => true,
            };
            // Also what came before the end is given before it.
            if let Poll::Ready(stream) = queue.silent.poll_next(cx) {
                return Poll::Ready(Ok(stream));
            }
            loop {
                match accepting.as_mut().poll(cx) {
                    Poll::Pending => {
                        if is_secured {
                            queue.phase = Phase::Secured;
                            handshake = None;
                        }
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(ending.error(error))),
                    Poll::Ready(Ok((send, receive))) => {
                        accepting.set(accept());
                        let is_early = queue.phase == Phase::Early;
                        let receive = QuinnReceive::new(receive, Arc::clone(ending), is_early);
                        if let Poll::Ready(stream) = queue.silent.poll_push((send, receive), cx) {
                            return Poll::Ready(Ok(stream));
                        }
                    }
                }
            }
        })
        .await
    }
}
