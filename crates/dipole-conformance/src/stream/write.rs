//! S16, S17, S19: writing.

use std::pin::pin;

use dipole_net::{Error, ErrorKind, SendStreamExt};

use super::setup::{Pair, Terms, on_both_ends, under};
use super::traffic::{KIB, WHILE, exchange, expect_all};
use crate::Case;
use crate::random::random_bytes;
use crate::verdict::{Verdict, expect, expect_equal, expect_error};
use crate::waiting::{Task, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S16",
        sentence: "the caller may reuse its buffer at once",
        run: |subject| on_both_ends(subject, buffers_are_the_callers),
    },
    Case {
        id: "S17",
        sentence: "write waits at the flow-control limit and resumes exactly",
        run: |subject| under(subject, small_windows, writing_waits),
    },
    Case {
        id: "S19",
        sentence: "close sends FIN after the data; twice is Ok; a later write fails",
        run: |subject| on_both_ends(subject, closing),
    },
];

pub(super) async fn buffers_are_the_callers(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    let mut expected = Vec::new();
    let mut buffer = vec![0; 3000];
    for round in 0..15_u8 {
        buffer.fill(round);
        let mut rest = &buffer[..];
        while !rest.is_empty() {
            let taken = within("write", ours.send.write(rest)).await??;
            expect(taken > 0, || "a write took nothing")?;
            rest = &rest[taken..];
        }
        expected.extend_from_slice(&buffer);
        buffer.fill(0xff);
    }
    expect_equal(within("write", ours.send.write(b"")).await??, 0, "a write of nothing")?;
    within("close", ours.send.close()).await??;
    expect_all(&mut *theirs.receive, &expected).await?;
    drop(place);
    Ok(())
}

fn small_windows() -> Terms {
    Terms::both(|options| {
        options.stream_window = 16 * KIB as u32;
        options.connection_window = 64 * KIB as u32;
        options.send_window = 64 * KIB as u32;
    })
}

pub(super) async fn writing_waits(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let data = random_bytes(17, 256 * KIB);
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    // The peer's window, and what this end may hold until it is acknowledged.
    const MOST: usize = (16 + 64) * KIB;
    let mut taken = 0;
    while let Ok(write) = tokio::time::timeout(WHILE, ours.send.write(&data[taken..])).await {
        taken += write?;
        expect(taken <= MOST, || format!("{taken} bytes were taken with nobody reading"))?;
    }
    expect(taken > 0, || "nothing was taken")?;
    still_waits("a write at the limit", WHILE, pin!(ours.send.write(&data[taken..]))).await?;
    let rest = data.slice(taken..);
    let writer = Task::start(async move {
        ours.send.write_all(&rest).await?;
        ours.send.close().await?;
        Ok::<_, Error>(ours)
    });
    expect_all(&mut *theirs.receive, &data).await?;
    writer.join().await??;
    drop(place);
    Ok(())
}

pub(super) async fn closing(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let data = random_bytes(19, 40 * KIB);
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    within("write", ours.send.write_all_bytes(data.clone())).await??;
    within("close", ours.send.close()).await??;
    within("a second close", ours.send.close()).await??;
    let write = within("a write after close", ours.send.write(b"x")).await?;
    expect_error(write, &ErrorKind::Closed, "a write after close")?;
    expect_all(&mut *theirs.receive, &data).await?;
    within("a close at the end", ours.send.close()).await??;
    drop(place);
    Ok(())
}
