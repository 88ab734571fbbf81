//! B29 to B33: queueing bytes, and that they go out in order, once, and only with a flush.

use bytes::Bytes;
use dipole_net::{Conn, ConnExt};

use super::traffic::{KIB, MIB, expect_silence, flush, receive, send};
use crate::Case;
use crate::pair::{End, Pair, on_both_ends};
use crate::random::random_bytes;
use crate::verdict::{Verdict, expect, expect_bytes, expect_equal};
use crate::waiting::{Task, at_once, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B29",
        sentence: "malloc(n) gives n zeroed bytes: never another connection's old data",
        run: |subject| on_both_ends(subject, malloc_is_zeroed),
    },
    Case {
        id: "B30",
        sentence: "a malloc slice left unfilled is sent as zeros",
        run: |subject| on_both_ends(subject, unfilled_is_sent_as_zeros),
    },
    Case {
        id: "B31",
        sentence: "malloc(0) is fine",
        run: |subject| on_both_ends(subject, malloc_of_nothing_is_fine),
    },
    Case {
        id: "B32",
        sentence: "malloc / write_binary / malloc keep call order on the wire, for sizes 0, 1, \
                   4095, 4096, 4097, 1 MiB",
        run: |subject| on_both_ends(subject, call_order_is_kept),
    },
    Case {
        id: "B33",
        sentence: "nothing is sent before flush; an empty flush is Ok and sends nothing; two \
                   flushes send nothing twice",
        run: |subject| on_both_ends(subject, only_a_flush_sends),
    },
];

/// What no zeroed byte is.
const DIRT: u8 = 0xaa;

async fn malloc_is_zeroed(Pair { mut conn, mut peer, mut place, .. }: Pair) -> Verdict {
    for round in 0..4 {
        for size in [1, 100, 4096, 64 * KIB, MIB] {
            dirty(&mut conn, &mut peer, size).await?;
            dirty(&mut peer, &mut conn, size).await?;
        }
        // Queued and never sent, it must not come to light elsewhere either.
        conn.malloc(64 * KIB).fill(DIRT);
        conn.write_binary(Bytes::from(vec![DIRT; 10]));
        conn.close();
        drop(peer);
        // The ends take turns, so that memory of one is met by the other.
        let end = [End::Dialed, End::Accepted][round % 2];
        (conn, peer) = end.of(place.connect().await?);
    }
    Ok(())
}

/// Sends `size` bytes of dirt, after looking that they were zeroes.
async fn dirty(from: &mut dyn Conn, to: &mut Box<dyn Conn>, size: usize) -> Verdict {
    let slice = from.malloc(size);
    expect_equal(slice.len(), size, "the length of malloc's slice")?;
    let dirt = slice.iter().position(|byte| *byte != 0);
    expect(dirt.is_none(), || format!("malloc({size}) is not zero at {dirt:?}"))?;
    slice.fill(DIRT);
    // Received at the same time, since it may be more than the network holds.
    let (sent, received) = crate::waiting::both(flush(from), receive(to, size)).await;
    sent?;
    expect(received?.iter().all(|byte| *byte == DIRT), || "what arrived is not what was sent")
}

async fn unfilled_is_sent_as_zeros(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    dirty(&mut conn, &mut peer, 8 * KIB).await?;
    dirty(&mut peer, &mut conn, 8 * KIB).await?;
    for size in [100, 5000, 100_000] {
        conn.malloc(size)[..10].copy_from_slice(b"0123456789");
        conn.malloc(size);
        conn.put(b"end");
        let mut expected = vec![0; 2 * size];
        expected[..10].copy_from_slice(b"0123456789");
        expected.extend_from_slice(b"end");
        // What lies between the ends may have room for less.
        let received = receive(&mut peer, expected.len());
        let ((), seen) = tokio::try_join!(flush(&mut conn), received)?;
        expect_bytes(&seen, &expected, format_args!("malloc({size}) with 10 bytes filled"))?;
    }
    Ok(())
}

async fn malloc_of_nothing_is_fine(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    expect_equal(conn.malloc(0).len(), 0, "the length of malloc(0)'s slice")?;
    expect_equal(conn.queued(), 0, "queued() after malloc(0)")?;
    flush(&mut conn).await?;
    expect_silence(&mut peer, "after malloc(0) and flush").await?;
    conn.put(b"a");
    conn.malloc(0);
    conn.write_binary(Bytes::new());
    conn.malloc(0);
    conn.put(b"b");
    expect_equal(conn.queued(), 2, "queued()")?;
    flush(&mut conn).await?;
    expect_bytes(&receive(&mut peer, 2).await?, b"ab", "what arrived around malloc(0)")
}

async fn call_order_is_kept(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    const SIZES: [usize; 6] = [0, 1, 4095, 4096, 4097, MIB];
    let data = random_bytes(32, 3 * MIB);
    // Each pair of sizes next to each other, in both kinds of call.
    let turns: Vec<_> = SIZES
        .iter()
        .flat_map(|a| SIZES.iter().enumerate().map(move |(at, b)| [*a, *b, SIZES[(at + 1) % 6]]))
        .collect();
    let (sent, order) = (data.clone(), turns.clone());
    let writer = Task::start(async move {
        for [first, second, third] in order {
            let total = first + second + third;
            conn.malloc(first).copy_from_slice(&sent[..first]);
            conn.write_binary(sent.slice(first..first + second));
            conn.malloc(third).copy_from_slice(&sent[first + second..total]);
            expect_equal(conn.queued(), total, "queued() before flush")?;
            conn.flush().await?;
            expect_equal(conn.queued(), 0, "queued() after flush")?;
        }
        Verdict::Ok(conn)
    });
    for turn in turns {
        let total: usize = turn.iter().sum();
        let seen = match within("read_binary", peer.read_binary(total)).await? {
            Ok(seen) => seen,
            Err(error) => return Err(writer.or_else(error).await),
        };
        peer.release();
        expect_bytes(&seen, &data[..total], format_args!("sizes {turn:?}"))?;
    }
    drop(writer.join().await??);
    Ok(())
}

async fn only_a_flush_sends(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    at_once("an empty flush", conn.flush()).await??;
    expect_silence(&mut peer, "after an empty flush").await?;

    let data = random_bytes(33, 3 * KIB);
    conn.put(&data[..KIB]);
    conn.write_binary(data.slice(KIB..2 * KIB));
    conn.put(&data[2 * KIB..]);
    expect_equal(conn.queued(), data.len(), "queued()")?;
    expect_silence(&mut peer, "before a flush").await?;
    expect_equal(conn.stats().sent, 0, "stats().sent before a flush")?;
    for _ in 0..3 {
        flush(&mut conn).await?;
        expect_equal(conn.queued(), 0, "queued() after flush")?;
    }
    expect_bytes(&receive(&mut peer, data.len()).await?, &data, "what arrived after flush")?;
    expect_silence(&mut peer, "a second time").await?;

    // Also when it is more than any buffer holds.
    let long = random_bytes(34, MIB);
    conn.write_binary(long.clone());
    conn.put(&long);
    expect_silence(&mut peer, "before a flush of 2 MiB").await?;
    let writer = Task::start(async move { conn.flush().await.map(|()| conn) });
    let seen = receive(&mut peer, 2 * MIB).await?;
    expect_bytes(&seen, &[&long[..], &long[..]].concat(), "what arrived after a flush of 2 MiB")?;
    let mut conn = within("flush", writer.join()).await???;
    flush(&mut conn).await?;
    expect_silence(&mut peer, "a second time").await?;
    send(&mut conn, b"last").await?;
    expect_bytes(&receive(&mut peer, 4).await?, b"last", "what arrived at last")
}
