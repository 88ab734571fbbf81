//! B14 to B18: skip and len.

use std::pin::pin;

use bytes::Bytes;
use dipole_net::{Capabilities, Conn, ConnExt, ErrorKind};

use super::traffic::{MOMENT, end, moment, send};
use crate::Case;
use crate::pair::{Pair, on_both_ends};
use crate::random::random_bytes;
use crate::verdict::{Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{at_once, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "B14",
        sentence: "skip(n <= len) consumes exactly n",
        run: |subject| on_both_ends(subject, skip_is_exact),
    },
    Case {
        id: "B15",
        sentence: "skip(0) is Ok",
        run: |subject| on_both_ends(subject, skipping_nothing_is_fine),
    },
    Case {
        id: "B16",
        sentence: "the core skip(n > len) is Err(InvalidInput) and consumes nothing; the awaiting \
                   skip_all(n) waits for the rest",
        run: |subject| on_both_ends(subject, skip_past_what_is_held),
    },
    Case {
        id: "B17",
        sentence: "skip(len) leaves len 0, and the next peek refills",
        run: |subject| on_both_ends(subject, a_peek_after_skipping_all_refills),
    },
    Case {
        id: "B18",
        sentence: "len does no I/O, counts every byte held, and is unchanged by malloc",
        run: |subject| on_both_ends(subject, len_counts_what_is_held),
    },
];

async fn skip_is_exact(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    let data = random_bytes(14, 10_000);
    send(&mut peer, &data).await?;
    within("peek(10000)", conn.peek(data.len())).await??;
    let mut skipped = 0;
    for n in [1, 2, 97, 4096, 804, 4999, 1] {
        conn.skip(n)?;
        skipped += n;
        expect_equal(conn.len(), data.len() - skipped, format_args!("len() after skip({n})"))?;
        let rest = conn.len();
        let seen = at_once("peek of the rest", conn.peek(rest)).await??;
        expect_bytes(seen, &data[skipped..], format_args!("the rest after skip({n})"))?;
    }
    expect_equal(conn.len(), 0, "len() at the end")
}

async fn skipping_nothing_is_fine(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    conn.skip(0)?;
    send(&mut peer, b"abc").await?;
    within("peek(3)", conn.peek(3)).await??;
    conn.skip(0)?;
    expect_bytes(at_once("peek(3)", conn.peek(3)).await??, b"abc", "peek(3) after skip(0)")?;
    conn.skip(3)?;
    conn.skip(0)?;
    end(&mut peer, &capabilities).await?;
    let result = within("peek(1)", conn.peek(1)).await?;
    expect_error(result, &ErrorKind::Eof, "peek(1)")?;
    Ok(conn.skip(0)?)
}

async fn skip_past_what_is_held(Pair { mut conn, mut peer, capabilities, .. }: Pair) -> Verdict {
    expect_error(conn.skip(1), &ErrorKind::InvalidInput, "skip(1) of nothing")?;
    send(&mut peer, b"0123456789").await?;
    within("peek(10)", conn.peek(10)).await??;
    for n in [11, 1000, usize::MAX] {
        expect_error(conn.skip(n), &ErrorKind::InvalidInput, format_args!("skip({n}) of 10"))?;
        expect_error(conn.split(n), &ErrorKind::InvalidInput, format_args!("split({n}) of 10"))?;
        expect_equal(conn.len(), 10, format_args!("len() after skip({n})"))?;
        let seen = at_once("peek(10)", conn.peek(10)).await??;
        expect_bytes(seen, b"0123456789", "peek(10) after skip of too many")?;
    }
    {
        let mut skip = pin!(conn.skip_all(15));
        still_waits("skip_all(15) of 10", MOMENT, skip.as_mut()).await?;
        send(&mut peer, b"abcdefghij").await?;
        within("skip_all(15)", skip).await??;
    }
    let seen = within("peek(5)", conn.peek(5)).await??;
    expect_bytes(seen, b"fghij", "what is after skip_all(15)")?;
    end_keeps_bytes(&mut conn, &mut peer, &capabilities, b"fghij").await
}

/// A skip_all that fails consumes nothing.
async fn end_keeps_bytes(
    conn: &mut dyn Conn,
    peer: &mut dyn Conn,
    capabilities: &Capabilities,
    held: &[u8],
) -> Verdict {
    end(peer, capabilities).await?;
    let result = within("skip_all", conn.skip_all(held.len() + 1)).await?;
    expect_error(result, &ErrorKind::Eof, "skip_all past the end")?;
    expect_bytes(conn.buffered(), held, "what is held after a skip_all that failed")
}

async fn a_peek_after_skipping_all_refills(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    for round in 0..6_u8 {
        let data = vec![round; 1000];
        send(&mut peer, &data).await?;
        within("peek(1000)", conn.peek(1000)).await??;
        let held = conn.len();
        conn.skip(held)?;
        expect_equal(conn.len(), 0, "len() after skip(len)")?;
        expect(conn.is_empty() && conn.buffered().is_empty(), || "bytes are held after skip(len)")?;
        if round % 2 == 0 {
            conn.release();
        }
        {
            let mut peek = pin!(conn.peek(10));
            still_waits("peek(10) after skip(len)", MOMENT / 5, peek.as_mut()).await?;
            send(&mut peer, b"refilled10").await?;
            expect_bytes(within("peek(10)", peek).await??, b"refilled10", "the refill")?;
        }
        conn.skip(10)?;
    }
    Ok(())
}

async fn len_counts_what_is_held(Pair { mut conn, mut peer, .. }: Pair) -> Verdict {
    for _ in 0..3 {
        send(&mut peer, &[b'x'; 1000]).await?;
        moment().await;
    }
    let received = conn.stats().received;
    let first = conn.len();
    let agrees = (0..100).all(|_| conn.len() == first) && conn.stats().received == received;
    expect(agrees, || "len() alone changes len() or stats().received")?;

    within("peek(3000)", conn.peek(3000)).await??;
    expect_equal(conn.len(), 3000, "len() with 3000 bytes held")?;
    conn.malloc(500).fill(b'y');
    conn.write_binary(Bytes::from_static(b"queued"));
    expect_equal(conn.len(), 3000, "len() after malloc(500) and write_binary")?;
    expect_equal(conn.queued(), 506, "queued()")?;
    within("flush", conn.flush()).await??;
    expect_equal(conn.len(), 3000, "len() after flush")?;
    conn.skip(1234)?;
    expect_equal(conn.len(), 1766, "len() after skip(1234)")?;
    conn.release();
    expect_equal(conn.len(), 1766, "len() after release")?;
    expect(conn.buffered().len() <= conn.len(), || "buffered() is longer than len()")
}
