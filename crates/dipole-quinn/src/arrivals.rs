//! The peer's streams, in the order in which something comes on them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dipole_net::{Error, Result};
use quinn::ConnectionError;
use tokio::sync::Mutex;

use crate::conn::Ending;
use crate::handshake::Handshake;
use crate::receive::QuinnReceive;

/// The peer's streams of one kind. `S` is what comes with the receiving half.
///
/// A peer that uses a stream has opened all streams of lower numbers with it (RFC 9000 section
/// 2.1), and quinn gives these as well. Here they wait until something comes on them (S7); at most
/// as many as the peer may open.
pub(crate) struct Arrivals<S> {
    handshake: Arc<Handshake>,
    silent: Mutex<Silent<S>>,
}

struct Silent<S> {
    streams: Vec<(S, QuinnReceive)>,
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
        let silent = Silent { streams: Vec::new(), phase };
        Self { handshake, silent: Mutex::new(silent) }
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
        let mut silent = self.silent.lock().await;
        let mut accepting = pin!(accept());
        let mut handshake = pin!(self.handshake.over());
        poll_fn(|cx| {
            // Asked for before the queue is emptied: what comes out of it was there before.
            let is_secured =
                silent.phase == Phase::Secured || handshake.as_mut().poll(cx).is_ready();
            let ended: Error = loop {
                match accepting.as_mut().poll(cx) {
                    Poll::Pending => {
                        if is_secured {
                            silent.phase = Phase::Secured;
                        }
                        return silent.poll_ready(cx).map(Ok);
                    }
                    Poll::Ready(Err(error)) => break ending.error(error),
                    Poll::Ready(Ok((send, receive))) => {
                        accepting.set(accept());
                        let is_early = silent.phase == Phase::Early;
                        let receive = QuinnReceive::new(receive, Arc::clone(ending), is_early);
                        silent.streams.push((send, receive));
                    }
                }
            };
            // What came before the end is given before it.
            match silent.poll_ready(cx) {
                Poll::Ready(stream) => Poll::Ready(Ok(stream)),
                Poll::Pending => Poll::Ready(Err(ended)),
            }
        })
        .await
    }
}

impl<S> Silent<S> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<(S, QuinnReceive)> {
        let mut ready =
            self.streams.iter_mut().map(|(_, receive)| receive.poll_first(cx).is_ready());
        match ready.position(|is_ready| is_ready) {
            Some(index) => Poll::Ready(self.streams.remove(index)),
            None => Poll::Pending,
        }
    }
}
