//! One source of connections for several shards.

use std::num::NonZeroUsize;
use std::task::{Context, Poll};

use tokio::sync::mpsc;

/// A longer queue would only be memory that somebody else can fill.
const LONGEST_QUEUE: usize = 1 << 16;

/// Deals what arrives out to `shards` hands in turn; each holds at most its part of `backlog`.
#[must_use]
pub fn deal_to<T>(shards: NonZeroUsize, backlog: u32) -> (Dealer<T>, Vec<Hand<T>>) {
    let backlog = usize::try_from(backlog).unwrap_or(usize::MAX);
    let part = (backlog / shards).clamp(1, LONGEST_QUEUE);
    let channels = (0..shards.get()).map(|_| mpsc::channel(part));
    let (hands, queues): (Vec<_>, Vec<_>) = channels.unzip();
    let hand = |queue| Hand { queue };
    (Dealer { hands, next: 0 }, queues.into_iter().map(hand).collect())
}

/// The giving end.
#[derive(Debug)]
pub struct Dealer<T> {
    hands: Vec<mpsc::Sender<T>>,
    next: usize,
}

impl<T> Dealer<T> {
    /// Gives `arrival` to the next shard that is there and has room.
    ///
    /// # Errors
    /// What was given, when no shard takes it.
    pub fn deal(&mut self, arrival: T) -> Result<(), T> {
        let mut arrival = arrival;
        for _ in 0..self.hands.len() {
            let hand = &self.hands[self.next];
            self.next = (self.next + 1) % self.hands.len();
            match hand.try_send(arrival) {
                Ok(()) => return Ok(()),
                Err(error) => arrival = error.into_inner(),
            }
        }
        Err(arrival)
    }

    /// Ends when no shard is left.
    pub fn abandoned(&self) -> impl Future<Output = ()> + Send + use<T>
    where
        T: Send,
    {
        let hands = self.hands.clone();
        async move {
            for hand in hands {
                hand.closed().await;
            }
        }
    }
}

/// The taking end of one shard.
#[derive(Debug)]
pub struct Hand<T> {
    queue: mpsc::Receiver<T>,
}

impl<T> Hand<T> {
    /// The next arrival; `None` when the dealer has gone.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.queue.poll_recv(cx)
    }
}
