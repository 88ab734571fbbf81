//! The peer's streams, in the order in which something comes on them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use dipole_io::Silent;
use dipole_net::{Error, Result};
use quinn::ConnectionError;
use tokio::sync::Mutex;

use crate::conn::Ending;
use crate::handshake::Handshake;
use crate::receive::QuinnReceive;

/// The peer's streams of one kind. `S` is what comes with the receiving half.
pub(crate) struct Arrivals<S> {
    handshake: Arc<Handshake>,
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
    pub(crate) fn new(handshake: Arc<Handshake>) -> Self {
        let phase = if handshake.is_over() { Phase::Secured } else { Phase::Early };
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
        let mut handshake = pin!(self.handshake.over());
        poll_fn(|cx| {
            // Asked for before the queue is emptied: what comes out of it was there before.
            let is_secured =
                queue.phase == Phase::Secured || handshake.as_mut().poll(cx).is_ready();
            let ended: Error = loop {
                match accepting.as_mut().poll(cx) {
                    Poll::Pending => {
                        if is_secured {
                            queue.phase = Phase::Secured;
                        }
                        return queue.silent.poll_next(cx).map(Ok);
                    }
                    Poll::Ready(Err(error)) => break ending.error(error),
                    Poll::Ready(Ok((send, receive))) => {
                        accepting.set(accept());
                        let is_early = queue.phase == Phase::Early;
                        let receive = QuinnReceive::new(receive, Arc::clone(ending), is_early);
                        queue.silent.push((send, receive));
                    }
                }
            };
            // What came before the end is given before it.
            match queue.silent.poll_next(cx) {
                Poll::Ready(stream) => Poll::Ready(Ok(stream)),
                Poll::Pending => Poll::Ready(Err(ended)),
            }
        })
        .await
    }
}
