//! S3 to S6: the peer's limits of streams.

use std::pin::pin;
use std::sync::Arc;

use dipole_net::{ErrorKind, ReceiveStreamExt, Result, SendStreamExt, Stream};
use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::setup::{Handle, Pair, Terms, under};
use super::traffic::{WHILE, exchange, read_all};
use crate::Case;
use crate::verdict::{Verdict, expect, expect_equal, expect_error};
use crate::waiting::{Task, at_once, give_up, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S3",
        sentence: "at the peer's limit open_stream is Err(StreamLimit) at once, is_temporary() \
                   true, is_timeout() false",
        run: |subject| under(subject, || limits(3, 2), the_limit_is_told_at_once),
    },
    Case {
        id: "S4",
        sentence: "open_stream_sync waits for credit, first come first served, exactly as many as \
                   there is credit for; dropping a waiter keeps its credit free",
        run: |subject| under(subject, || limits(2, 1), first_come_first_served),
    },
    Case {
        id: "S5",
        sentence: "bidi and uni limits are independent",
        run: |subject| under(subject, || limits(1, 2), limits_are_independent),
    },
    Case {
        id: "S6",
        sentence: "credit comes back when a stream is finished on both sides",
        run: |subject| under(subject, || limits(1, 1), credit_comes_back),
    },
];

fn limits(streams: u32, uni_streams: u32) -> Terms {
    Terms::peer(|options| {
        options.streams = streams;
        options.uni_streams = uni_streams;
    })
}

fn expect_limit<T>(result: Result<T>, what: &str) -> Verdict {
    let error = expect_error(result, &ErrorKind::StreamLimit, what)?;
    expect(error.is_temporary(), || format!("{what}: is_temporary() is false"))?;
    expect(!error.is_timeout(), || format!("{what}: is_timeout() is true"))
}

async fn the_limit_is_told_at_once(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(conn.open_stream()?);
    }
    let mut uni_streams = Vec::new();
    for _ in 0..2 {
        uni_streams.push(conn.open_uni_stream()?);
    }
    for _ in 0..2 {
        expect_limit(conn.open_stream(), "the fourth open_stream")?;
        expect_limit(conn.open_uni_stream(), "the third open_uni_stream")?;
    }
    drop((streams, uni_streams, peer, place));
    Ok(())
}

async fn first_come_first_served(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let first = exchange(&conn, &peer).await?;
    let second = exchange(&conn, &peer).await?;
    // Four wait in this order; the second and the last give up later.
    let (opened, mut openings) = mpsc::unbounded_channel();
    let mut waiters = Vec::new();
    for number in 0..4 {
        let (conn, opened) = (Arc::clone(&conn), opened.clone());
        waiters.push(Some(Task::start(async move {
            let stream = conn.open_stream_sync().await;
            drop(opened.send((number, stream)));
        })));
        // Until it waits.
        for _ in 0..3 {
            yield_now().await;
        }
    }
    still_waits("a waiter without credit", WHILE, pin!(openings.recv())).await?;
    expect_limit(conn.open_stream(), "open_stream beside waiters")?;
    waiters[1] = None;
    waiters[3] = None;
    yield_now().await;

    finish(first).await?;
    let (number, stream) = within("the first waiter", openings.recv()).await?.unzip();
    expect_equal(number, Some(0), "who got the first credit")?;
    let kept = stream.transpose()?;
    still_waits("a waiter behind the credit", WHILE, pin!(openings.recv())).await?;

    finish(second).await?;
    let (number, stream) = within("the third waiter", openings.recv()).await?.unzip();
    expect_equal(number, Some(2), "who got the second credit")?;
    let second_kept = stream.transpose()?;

    // Both that were given up have left their credit alone: there is none, and the next one is free.
    expect_limit(conn.open_stream(), "open_stream with all credit used")?;
    drop(kept);
    drop(second_kept);
    for _ in 0..2 {
        let mut stream = within("accept_stream", peer.accept_stream()).await??;
        drop(within("a reset stream", stream.receive.read()).await?);
        // Dropped whole, it is stopped as well.
        drop(within("close", stream.send.close()).await?);
    }
    let stream = within("open_stream_sync afterwards", conn.open_stream_sync()).await??;
    expect_equal(stream.send.id() % 4, stream.receive.id() % 4, "the kind of stream")?;
    drop((waiters, place));
    Ok(())
}

/// Ends a stream on both sides, and sees that it has.
async fn finish((mut ours, mut theirs): (Stream, Stream)) -> Verdict {
    within("close", ours.send.close()).await??;
    read_all(&mut *theirs.receive).await?;
    within("close", theirs.send.close()).await??;
    read_all(&mut *ours.receive).await?;
    Ok(())
}

async fn limits_are_independent(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let stream = conn.open_stream()?;
    expect_limit(conn.open_stream(), "the second open_stream")?;
    let mut uni_streams = Vec::new();
    for _ in 0..2 {
        let open = at_once("open_uni_stream_sync", conn.open_uni_stream_sync());
        uni_streams.push(open.await??);
    }
    expect_limit(conn.open_uni_stream(), "the third open_uni_stream")?;
    // One that waits for a stream of one kind keeps none of the other from opening.
    let waiting = give_up(3, conn.open_stream_sync()).await;
    expect(waiting.is_none(), || "open_stream_sync did not wait at the limit")?;
    // The peer's own limits are its own.
    let theirs = (peer.open_stream()?, peer.open_uni_stream()?);
    drop((stream, uni_streams, theirs, place));
    Ok(())
}

async fn credit_comes_back(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    for _ in 0..30 {
        let streams = exchange(&conn, &peer).await?;
        finish(streams).await?;
        let mut uni = within("open_uni_stream_sync", conn.open_uni_stream_sync()).await??;
        within("close", uni.close()).await??;
        let mut theirs = within("accept_uni_stream", peer.accept_uni_stream()).await??;
        read_all(&mut *theirs).await?;
    }
    // One side alone is not enough.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    within("close", ours.send.close()).await??;
    read_all(&mut *theirs.receive).await?;
    still_waits("open_stream_sync, one side open", WHILE, pin!(conn.open_stream_sync())).await?;
    within("close", theirs.send.close()).await??;
    read_all(&mut *ours.receive).await?;
    open_again(&conn).await?;
    drop(place);
    Ok(())
}

async fn open_again(conn: &Handle) -> Verdict {
    within("open_stream_sync", conn.open_stream_sync()).await??;
    Ok(())
}
