//! B38 to B40: a flush that fails.

use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt, Error, ErrorKind};
use tokio::time::{sleep, timeout};

use super::traffic::{KIB, MOMENT, MORE_THAN_FITS, moment, send};
use crate::Case;
use crate::pair::{GONE, Pair, on_both_ends};
use crate::random::random_bytes;
use crate::verdict::expect_error_of;
use crate::verdict::{Failure, Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, at_once, on_time, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B38",
        sentence: "write timeout: Err(TimedOut) within timeout + slack; afterwards the connection \
                   only fails (never half a message silently resumed)",
        run: |subject| on_both_ends(subject, a_write_timeout_is_final),
    },
    Case {
        id: "B39",
        sentence: "a flush error is sticky and keeps its kind; the queue's memory is freed",
        run: |subject| on_both_ends(subject, a_flush_error_is_sticky),
    },
    Case {
        id: "B40",
        sentence: "peer gone: some flush fails Err(Closed) or Err(Reset); the process never gets \
                   SIGPIPE",
        run: |subject| on_both_ends(subject, a_flush_to_nobody_fails),
    },
];

const TIMEOUT: Duration = Duration::from_millis(100);

async fn a_write_timeout_is_final(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let data = random_bytes(38, MORE_THAN_FITS);
    conn.set_write_timeout(Some(TIMEOUT));
    conn.write_binary(data.clone());
    let result = on_time("a flush that nobody reads", TIMEOUT, conn.flush()).await?;
    expect_error(result, &ErrorKind::TimedOut, "a flush that nobody reads")?;

    // Now somebody reads, and no call may send the rest.
    let reader = Task::start(async move {
        let mut arrived = Vec::new();
        let mut buffer = vec![0; 64 * KIB];
        while let Ok(Ok(n @ 1..)) = timeout(2 * MOMENT, peer.read(&mut buffer)).await {
            arrived.extend_from_slice(&buffer[..n]);
        }
        arrived
    });
    for _ in 0..5 {
        sleep(MOMENT / 2).await;
        conn.put(b"resumed");
        let result = at_once("a flush after a timeout", conn.flush()).await?;
        expect_error(result, &ErrorKind::TimedOut, "a flush after a timeout")?;
    }
    let result = at_once("shutdown after a timeout", conn.shutdown()).await?;
    expect_error(result, &ErrorKind::TimedOut, "shutdown after a timeout")?;
    let arrived = reader.join().await?;
    expect(arrived.len() < data.len(), || "the whole message arrived after its timeout")?;
    expect_bytes(&arrived, &data[..arrived.len()], "what arrived of a message that timed out")
}

async fn a_flush_error_is_sticky(Pair { mut conn, peer, mut place, .. }: Pair) -> Verdict {
    conn.set_write_timeout(Some(Duration::from_millis(50)));
    queue(&mut conn);
    let result = within("a flush that nobody reads", conn.flush()).await?;
    let error = expect_error(result, &ErrorKind::TimedOut, "a flush that nobody reads")?;
    sticks(&mut conn, &error).await.map_err(|failure| failure.of("after a timeout"))?;
    drop((conn, peer));

    let (mut dialed, mut accepted) = place.connect().await?;
    accepted.close();
    let error = flush_until_error(&mut dialed).await?;
    sticks(&mut dialed, &error).await.map_err(|failure| failure.of("with the peer gone"))
}

/// Queues 16 MiB, of which half is copied.
fn queue(conn: &mut dyn Conn) {
    conn.malloc(MORE_THAN_FITS / 2);
    conn.write_binary(Bytes::from(vec![0; MORE_THAN_FITS / 2]));
}

async fn sticks(conn: &mut Box<dyn Conn>, error: &Error) -> Verdict {
    const FREED: usize = 64 * KIB;
    for again in 0..4 {
        let memory = conn.stats().output_memory;
        expect(memory <= FREED, || format!("output memory is {memory} after a flush failed"))?;
        expect_equal(conn.queued(), 0, "queued() after a flush failed")?;
        if again % 2 == 0 {
            queue(conn);
        }
        let result = at_once("a flush after one that failed", conn.flush()).await?;
        expect_error(result, error.kind(), "a flush after one that failed")?;
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Sends until it fails, as it must when the peer is gone.
async fn flush_until_error(conn: &mut Box<dyn Conn>) -> Verdict<Error> {
    for _ in 0..1000 {
        conn.put(&[b'x'; KIB]);
        if let Err(error) = within("flush", conn.flush()).await? {
            return expect_error_of::<()>(Err(error), GONE, "a flush with the peer gone");
        }
        sleep(Duration::from_millis(1)).await;
    }
    Err(Failure::broken("1000 flushes succeeded with the peer gone"))
}

async fn a_flush_to_nobody_fails(Pair { mut conn, mut peer, mut place, .. }: Pair) -> Verdict {
    peer.close();
    flush_until_error(&mut conn).await.map_err(|failure| failure.of("after close"))?;

    let (mut dialed, accepted) = place.connect().await?;
    drop(accepted);
    flush_until_error(&mut dialed).await.map_err(|failure| failure.of("after drop"))?;

    // Gone with bytes unread, and this end with a flush that waits.
    let (mut dialed, mut accepted) = place.connect().await?;
    send(&mut dialed, b"unread").await?;
    within("peek(6)", accepted.peek(6)).await??;
    queue(&mut dialed);
    let flush = Task::start(async move { dialed.flush().await });
    moment().await;
    expect(!flush.is_finished(), || "a flush that nobody reads ended")?;
    drop(accepted);
    let result = within("a flush when the peer goes", flush.join()).await??;
    expect_error_of(result, GONE, "a flush when the peer goes")?;
    Ok(())
}
