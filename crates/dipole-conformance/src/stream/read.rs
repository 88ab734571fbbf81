//! S10, S11, S14, S15: reading.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Error, ReceiveStreamExt, SendStreamExt};

use super::setup::{Pair, Terms, both_ends, on_both_ends, under};
use super::traffic::{KIB, MIB, exchange, expect_all, reset_by_peer};
use crate::random::{Endless, random_bytes};
use crate::verdict::{Failure, Verdict, expect, expect_bytes, expect_equal, expect_error};
use crate::waiting::{Task, within};
use crate::{Case, Roughness};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S10",
        sentence: "bytes in order under loss, reordering and duplication",
        run: |subject| {
            Box::pin(async move {
                let rough = Roughness::of(2, Duration::from_millis(2));
                both_ends(&subject, &Terms::default(), Some(rough), bytes_in_order).await.into()
            })
        },
    },
    Case {
        id: "S11",
        sentence: "FIN is Ok(None), each time",
        run: |subject| on_both_ends(subject, the_end_each_time),
    },
    Case {
        id: "S14",
        sentence: "peer's cancel_write(code): Err(StreamReset{code, by: Peer})",
        run: |subject| on_both_ends(subject, reset_by_the_peer),
    },
    Case {
        id: "S15",
        sentence: "reading returns flow-control credit: 64 MiB through a 64 KiB window",
        run: |subject| under(subject, small_window, credit_returns),
    },
];

pub(super) async fn bytes_in_order(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let sent = random_bytes(10, 256 * KIB);
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    let data = sent.clone();
    let writer = Task::start(async move {
        ours.send.write_all_bytes(data).await?;
        ours.send.close().await?;
        // Kept, so that nothing of it ends before its time.
        Ok::<_, Error>(ours)
    });
    expect_all(&mut *theirs.receive, &sent).await?;
    writer.join().await??;
    drop(place);
    Ok(())
}

pub(super) async fn the_end_each_time(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (mut ours, mut theirs) = exchange(&peer, &conn).await?;
    within("write", ours.send.write_all(b"last")).await??;
    within("close", ours.send.close()).await??;
    expect_all(&mut *theirs.receive, b"last").await?;
    for _ in 0..3 {
        let read = within("a read at the end", theirs.receive.read()).await??;
        expect_equal(read, None, "a read at the end")?;
    }
    drop(place);
    Ok(())
}

pub(super) async fn reset_by_the_peer(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (mut ours, mut theirs) = exchange(&peer, &conn).await?;
    ours.send.cancel_write(0x1234_5678);
    let kind = reset_by_peer(0x1234_5678);
    for _ in 0..3 {
        let read = within("a read after a reset", theirs.receive.read()).await?;
        expect_error(read, &kind, "a read after the peer's reset")?;
    }
    drop(place);
    Ok(())
}

fn small_window() -> Terms {
    let mut terms = Terms::default();
    terms.conn.stream_window = 64 * KIB as u32;
    terms.conn.connection_window = 64 * KIB as u32;
    terms
}

async fn credit_returns(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    const TOTAL: usize = 64 * MIB;
    const PIECE: usize = 256 * KIB;
    let (mut ours, mut theirs) = exchange(&peer, &conn).await?;
    let endless = Arc::new(Endless::new(15));
    let source = Arc::clone(&endless);
    let writer = Task::start(async move {
        let mut sent = 0;
        while sent < TOTAL {
            ours.send.write_all_bytes(source.part(sent, PIECE)).await?;
            sent += PIECE;
        }
        ours.send.close().await?;
        Ok::<_, Error>(ours)
    });
    let mut seen = 0;
    loop {
        let read = poll_fn(|cx| theirs.receive.poll_read(cx));
        let Some(bytes) = within(format!("byte {seen}"), read).await?? else { break };
        expect(bytes.len() <= 64 * KIB, || "a read gave more than the window")?;
        expect_bytes(&bytes, &endless.part(seen, bytes.len()), "a piece")?;
        seen += bytes.len();
    }
    if seen != TOTAL {
        return Err(Failure::broken(format_args!("{seen} bytes came, expected {TOTAL}")));
    }
    writer.join().await??;
    drop(place);
    Ok(())
}
