//! S12, S18: deadlines.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{BoxReceive, Error, ErrorKind, ReceiveStreamExt, SendStreamExt};
use tokio::time::Instant;

use super::setup::{Pair, Terms, on_both_ends, under};
use super::traffic::{KIB, Shared, WHILE, exchange, expect_all, expect_read, moment};
use crate::Case;
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect, expect_error};
use crate::waiting::{Task, at_once, on_time, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S12",
        sentence: "a past deadline is Err(TimedOut); a changed deadline acts on a pending read; \
                   None is none; no timeout loses data",
        run: |subject| on_both_ends(subject, read_deadlines),
    },
    Case {
        id: "S18",
        sentence: "a deadline in mid-write reports what was taken, and a resume is exact",
        run: |subject| under(subject, small_windows, write_deadlines),
    },
];

/// A point in time on the runtime's clock.
fn from_now(time: Duration) -> Option<std::time::Instant> {
    Some((Instant::now() + time).into_std())
}

pub(super) async fn read_deadlines(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    const SHORT: Duration = Duration::from_millis(60);
    let (mut theirs, mut ours) = exchange(&peer, &conn).await?;
    ours.receive.set_read_deadline(from_now(Duration::ZERO));
    let read = within("a read past its deadline", ours.receive.read()).await?;
    expect_error(read, &ErrorKind::TimedOut, "a read past its deadline")?;
    ours.receive.set_read_deadline(from_now(SHORT));
    let read = on_time("a read with a deadline", SHORT, ours.receive.read()).await?;
    expect_error(read, &ErrorKind::TimedOut, "a read with a deadline")?;
    ours.receive.set_read_deadline(None);
    still_waits("a read without a deadline", WHILE, pin!(ours.receive.read())).await?;

    // Data that is there beats a deadline that has passed.
    within("write", theirs.send.write_all(b"kept")).await??;
    let mut seen = within("a read", ours.receive.read()).await??.unwrap_or_default().to_vec();
    within("write", theirs.send.write_all(b", all")).await??;
    moment().await;
    moment().await;
    ours.receive.set_read_deadline(from_now(Duration::ZERO));
    while let Ok(Some(bytes)) = at_once("a late read of what is there", ours.receive.read()).await?
    {
        seen.extend_from_slice(&bytes);
    }
    crate::verdict::expect_bytes(&seen, b"kept, all", "what came around deadlines")?;

    // A changed deadline acts on the read that waits: sooner, and later.
    ours.receive.set_read_deadline(from_now(Duration::from_secs(600)));
    let shared: Shared<BoxReceive> = Shared::new(ours.receive);
    let reader = shared.clone();
    let waiting =
        Task::start(
            async move { poll_fn(|cx| reader.with(|receive| receive.poll_read(cx))).await },
        );
    moment().await;
    shared.with(|receive| receive.set_read_deadline(from_now(SHORT)));
    let read = on_time("a pending read whose deadline came", SHORT, waiting.join()).await??;
    expect_error(read, &ErrorKind::TimedOut, "a pending read whose deadline came")?;
    shared.with(|receive| receive.set_read_deadline(from_now(SHORT)));
    let reader = shared.clone();
    let waiting =
        Task::start(
            async move { poll_fn(|cx| reader.with(|receive| receive.poll_read(cx))).await },
        );
    tokio::task::yield_now().await;
    shared.with(|receive| receive.set_read_deadline(None));
    tokio::time::sleep(SHORT * 2).await;
    expect(!waiting.is_finished(), || "a read ended at a deadline that was taken back")?;
    within("write", theirs.send.write_all(b"after")).await??;
    let read = within("a pending read", waiting.join()).await???;
    crate::verdict::expect_bytes(&read.unwrap_or_default(), b"after", "what came after it")?;
    drop(place);
    Ok(())
}

fn small_windows() -> Terms {
    Terms::both(|options| {
        options.stream_window = 32 * KIB as u32;
        options.connection_window = 64 * KIB as u32;
        options.send_window = 64 * KIB as u32;
    })
}

pub(super) async fn write_deadlines(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let data = random_bytes(18, 256 * KIB);
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    let mut rest = data.clone();
    ours.send.set_write_deadline(from_now(Duration::from_millis(80)));
    let error = loop {
        let taken = within("a write", poll_fn(|cx| ours.send.poll_write_bytes(cx, &mut rest)));
        match taken.await? {
            Ok(_) if rest.is_empty() => {
                return Err(Failure::broken("256 KiB were taken with nobody reading"));
            }
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    expect_error::<()>(Err(error), &ErrorKind::TimedOut, "a write past its deadline")?;
    // Past it again, with a buffer of the caller's.
    let again = within("a late write", ours.send.write(&rest)).await?;
    expect_error(again, &ErrorKind::TimedOut, "a late write")?;

    ours.send.set_write_deadline(None);
    let resumed: Bytes = rest;
    let writer = Task::start(async move {
        ours.send.write_all(&resumed).await?;
        ours.send.close().await?;
        Ok::<_, Error>(ours)
    });
    expect_all(&mut *theirs.receive, &data).await?;
    let mut ours = writer.join().await??;
    // The other direction knows nothing of it.
    within("write", theirs.send.write_all(b"back")).await??;
    expect_read(&mut *ours.receive, b"back", "the other direction").await?;
    drop(place);
    Ok(())
}
