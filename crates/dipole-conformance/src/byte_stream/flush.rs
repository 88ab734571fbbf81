//! B34, B35, B37: large writes, whole and within bounds.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Conn, ConnExt};
use tokio::time::sleep;

use super::traffic::{KIB, MIB, MORE_THAN_FITS, flush, receive};
use crate::Case;
use crate::pair::{Pair, on_both_ends};
use crate::process::resident_memory;
use crate::random::{Endless, random_bytes};
use crate::verdict::{Verdict, expect, expect_bytes, expect_equal};
use crate::waiting::{Task, both, give_up, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B34",
        sentence: "write_binary does not copy at 64 KiB and above (the library says so through a \
                   counter), and the caller may drop its handle at once",
        run: |subject| on_both_ends(subject, large_slices_are_not_copied),
    },
    Case {
        id: "B35",
        sentence: "flush is Ok only when the kernel or peer has taken every byte; 128 x 2 MiB to a \
                   slow reader arrives whole",
        run: |subject| on_both_ends(subject, flush_ends_when_all_is_taken),
    },
    Case {
        id: "B37",
        sentence: "a slow reader: memory held for output stays bounded by what the writer queued; \
                   flush waits (backpressure)",
        run: |subject| on_both_ends(subject, output_memory_is_bounded),
    },
];

async fn large_slices_are_not_copied(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    for size in [64 * KIB, 64 * KIB + 1, MIB] {
        let data = random_bytes(34, size);
        let given = Bytes::from(data.to_vec());
        conn.put(b"head");
        // Moved: the library has the only handle from now on.
        conn.write_binary(given);
        let (sent, seen) = both(flush(&mut conn), receive(&mut peer, 4 + size)).await;
        sent?;
        expect_bytes(&seen?[4..], &data, format_args!("write_binary of {size} bytes"))?;
        expect_equal(conn.stats().copied, 0, format_args!("copied of {size} bytes"))?;
    }

    // From outside: the same slice many times over takes no memory.
    const TIMES: usize = 128;
    let slice = random_bytes(35, MIB);
    let resident = resident_memory();
    for _ in 0..TIMES {
        conn.write_binary(slice.clone());
    }
    expect_equal(conn.queued(), TIMES * MIB, "queued()")?;
    let growth = resident_memory().zip(resident).map_or(0, |(now, then)| now.saturating_sub(then));
    expect(growth < TIMES * MIB / 4, || {
        format!("write_binary of {TIMES} x 1 MiB, all of one slice, took {growth} bytes")
    })
}

async fn flush_ends_when_all_is_taken(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    const PIECE: usize = 2 * MIB;
    const PIECES: usize = 128;
    let stream = Endless::new(35);
    let expected = stream.clone();
    let reader = Task::start(async move {
        let mut buffer = vec![0; 64 * KIB];
        let (mut read, mut rest) = (0, 0);
        loop {
            let n = peer.read(&mut buffer).await?;
            if n == 0 {
                return Verdict::Ok(read);
            }
            let what = format!("what arrived at {read}");
            expect_bytes(&buffer[..n], &expected.part(read, n), what)?;
            peer.release();
            read += n;
            rest += n;
            if rest >= PIECE {
                rest -= PIECE;
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for piece in 0..PIECES {
        let begin = piece * PIECE;
        conn.write_binary(stream.part(begin, MIB));
        conn.put(&stream.part(begin + MIB, MIB));
        if let Err(error) = within("flush", conn.flush()).await? {
            return Err(reader.or_else(error).await);
        }
        expect_equal(conn.queued(), 0, "queued() after flush")?;
        let sent = conn.stats().sent;
        expect_equal(sent, ((piece + 1) * PIECE) as u64, "stats().sent after flush")?;
    }
    // Closing drops what is unsent; after a flush nothing is.
    conn.close();
    let arrived = within("the reader", reader.join()).await???;
    expect_equal(arrived, PIECES * PIECE, "the bytes that arrived")
}

async fn output_memory_is_bounded(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    const SLACK: usize = 256 * KIB;
    let data = random_bytes(37, MORE_THAN_FITS);
    let resident = resident_memory();
    for piece in data.chunks(64 * KIB) {
        conn.put(piece);
    }
    expect_equal(conn.queued(), MORE_THAN_FITS, "queued()")?;
    still_waits("a flush that nobody reads", Duration::from_millis(200), pin!(conn.flush()))
        .await?;
    for _ in 0..200 {
        let ended = give_up(2, conn.flush()).await.is_some();
        expect(!ended, || "a flush of 16 MiB that nobody reads ended")?;
        let memory = conn.stats().output_memory;
        expect(memory <= MORE_THAN_FITS + SLACK, || {
            format!("output memory is {memory} with {MORE_THAN_FITS} bytes queued")
        })?;
    }
    let growth = resident_memory().zip(resident).map_or(0, |(now, then)| now.saturating_sub(then));
    // What the writer queued, once more for a copy under way to the peer, and noise.
    expect(growth <= 2 * MORE_THAN_FITS + 16 * MIB, || {
        format!("the process grew by {growth} bytes with {MORE_THAN_FITS} queued")
    })?;

    let (sent, seen) = both(flush(&mut conn), receive(&mut peer, MORE_THAN_FITS)).await;
    sent?;
    expect_bytes(&seen?, &data, "what arrived")?;
    expect_equal(conn.queued(), 0, "queued() after flush")?;
    let memory = conn.stats().output_memory;
    expect(memory <= SLACK, || format!("output memory is {memory} after flush"))
}
