//! B13 and B36: dropping a pending peek or flush at any await.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::traffic::{KIB, MIB, fill_once, flush_once};
use crate::Case;
use crate::pair::{Pair, on_both_ends};
use crate::random::{Endless, Random};
use crate::verdict::{Verdict, expect_bytes, expect_equal};
use crate::waiting::{Task, give_up, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B13",
        sentence: "dropping the future of a pending peek at any await, then peeking again, loses \
                   and repeats no byte (10,000 random drops against a seeded stream)",
        run: |subject| on_both_ends(subject, a_dropped_peek_loses_nothing),
    },
    Case {
        id: "B36",
        sentence: "dropping a pending flush and flushing again sends each byte once, in order \
                   (1,000 random drops)",
        run: |subject| on_both_ends(subject, a_dropped_flush_loses_nothing),
    },
];

const PEEK_SEED: u64 = 13;
const FLUSH_SEED: u64 = 36;

async fn a_dropped_peek_loses_nothing(pair: Pair) -> Verdict {
    let part = format_args!("seed {PEEK_SEED}").to_string();
    drop_peeks(pair).await.map_err(|failure| failure.of(part))
}

/// The peer sends what it is told to, so that each round has peeks that must wait, peeks while the
/// bytes are under way, and one that ends.
async fn drop_peeks(Pair { conn, mut peer, .. }: Pair) -> Verdict {
    let stream = Endless::new(PEEK_SEED);
    let (orders, mut ordered) = mpsc::unbounded_channel::<Bytes>();
    let _peer = Task::start(async move {
        while let Some(piece) = ordered.recv().await {
            if peer.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let mut random = Random::new(PEEK_SEED);
    let mut reader = Dropper { conn, stream: stream.clone(), read: 0, drops: 0 };
    let mut sent = 0;
    while reader.drops < 10_000 {
        let n = reader.conn.len() + random.between(1, 3000);
        reader.drop_some(&mut random, n).await?;
        let missing = (reader.read + n).saturating_sub(sent);
        let begin = random.between(0, missing);
        for piece in [begin, missing - begin] {
            if piece > 0 {
                // The peer task ends early only when its connection failed, which the peek shows.
                drop(orders.send(stream.part(sent, piece)));
                sent += piece;
            }
            reader.drop_some(&mut random, n).await?;
        }
        reader.finish(&mut random, n).await?;
    }
    Ok(())
}

/// Reads a stream and gives most peeks up.
struct Dropper {
    conn: Box<dyn Conn>,
    stream: Endless,
    /// Consumed so far, in bytes.
    read: usize,
    /// Peeks that were dropped while they waited.
    drops: usize,
}

impl Dropper {
    async fn drop_some(&mut self, random: &mut Random, n: usize) -> Verdict {
        for _ in 0..random.between(1, 3) {
            let n = if random.one_in(3) { random.between(1, n) } else { n };
            let expected = self.stream.part(self.read, n);
            let ended = match random.between(0, 31) {
                0 => {
                    let patience = Duration::from_micros(random.between(0, 1500) as u64);
                    timeout(patience, self.conn.peek(n)).await.ok()
                }
                // Given up without a word: the next operation just takes its place.
                1..8 => match fill_once(&mut self.conn, n).await {
                    Poll::Ready(Ok(())) => Some(Ok(&self.conn.buffered()[..n])),
                    Poll::Ready(Err(error)) => Some(Err(error)),
                    Poll::Pending => None,
                },
                _ => give_up(random.between(1, 4), self.conn.peek(n)).await,
            };
            match ended {
                Some(seen) => expect_bytes(seen?, &expected, format_args!("peek({n})"))?,
                None => self.drops += 1,
            }
        }
        Ok(())
    }

    async fn finish(&mut self, random: &mut Random, n: usize) -> Verdict {
        let seen = within("the last peek of a round", self.conn.peek(n)).await??;
        let what = format!("peek({n}) at {} after {} drops", self.read, self.drops);
        expect_bytes(seen, &self.stream.part(self.read, n), what)?;
        let consumed = random.between(0, n);
        self.conn.skip(consumed)?;
        self.read += consumed;
        if random.one_in(2) {
            self.conn.release();
        }
        Ok(())
    }
}

async fn a_dropped_flush_loses_nothing(pair: Pair) -> Verdict {
    let part = format_args!("seed {FLUSH_SEED}").to_string();
    drop_flushes(pair).await.map_err(|failure| failure.of(part))
}

/// The peer reads a piece for each permit, so that the way is full and a flush waits.
async fn drop_flushes(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let stream = Endless::new(FLUSH_SEED);
    let permits = Arc::new(Semaphore::new(0));
    let (expected, permitted) = (stream.clone(), Arc::clone(&permits));
    let reader = Task::start(async move {
        let mut buffer = vec![0; 32 * KIB];
        let mut read = 0;
        loop {
            if let Ok(permit) = permitted.acquire().await {
                permit.forget();
            }
            match peer.read(&mut buffer).await? {
                0 => return Verdict::Ok(read),
                n => {
                    let what = format_args!("what arrived at {read}").to_string();
                    expect_bytes(&buffer[..n], &expected.part(read, n), what)?;
                    read += n;
                }
            }
            peer.release();
        }
    });

    let mut random = Random::new(FLUSH_SEED);
    let (mut queued, mut drops) = (0, 0);
    while drops < 1000 && !reader.is_finished() {
        if conn.queued() < MIB || random.one_in(16) {
            let piece = stream.part(queued, random.between(1, 512 * KIB));
            queued += piece.len();
            match random.one_in(2) {
                true => conn.put(&piece),
                false => conn.write_binary(piece),
            }
        }
        let ended = match random.between(0, 31) {
            0 => timeout(Duration::from_micros(500), conn.flush()).await.ok(),
            1..8 => match flush_once(&mut conn).await {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            },
            _ => give_up(random.between(1, 4), conn.flush()).await,
        };
        match ended {
            Some(Err(error)) => return Err(reader.or_else(error).await),
            Some(Ok(())) => expect_equal(conn.queued(), 0, "queued() after a flush")?,
            None => drops += 1,
        }
        permits.add_permits(random.between(0, 3));
    }
    permits.close();
    if let Err(error) = within("the last flush", conn.flush()).await? {
        return Err(reader.or_else(error).await);
    }
    drop(conn);
    let arrived = within("the reader", reader.join()).await???;
    expect_equal(arrived, queued, "the bytes that arrived")
}
