//! S13, S20, S21, S22: breaking one half off.

use std::future::poll_fn;

use bytes::Bytes;
use dipole_net::{BoxReceive, BoxSend, ErrorKind, ReceiveStreamExt, SendStreamExt};

use super::setup::{Pair, Terms, on_both_ends, under};
use super::traffic::{
    KIB, MIB, Shared, exchange, expect_all, expect_read, moment, reset_by_peer, reset_here,
};
use crate::Case;
use crate::verdict::{Failure, Verdict, expect, expect_equal, expect_error};
use crate::waiting::{Task, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S13",
        sentence: "cancel_read(code): STOP_SENDING reaches the peer with that code; the local \
                   read fails; twice, or after the end, is a no-op",
        run: |subject| on_both_ends(subject, cancelled_reads),
    },
    Case {
        id: "S20",
        sentence: "cancel_write(code): RESET_STREAM; pending and later writes fail; twice, or \
                   after close, is a no-op",
        run: |subject| under(subject, small_windows, cancelled_writes),
    },
    Case {
        id: "S21",
        sentence: "peer's cancel_read(code): writes fail Err(StreamStopped{code}); `stopped` \
                   resolves",
        run: |subject| under(subject, small_windows, stopped_writes),
    },
    Case {
        id: "S22",
        sentence: "the halves are independent",
        run: |subject| on_both_ends(subject, halves),
    },
];

fn small_windows() -> Terms {
    Terms::both(|options| {
        options.stream_window = 32 * KIB as u32;
        options.send_window = 64 * KIB as u32;
    })
}

pub(super) async fn cancelled_reads(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (mut theirs, ours) = exchange(&peer, &conn).await?;
    let shared: Shared<BoxReceive> = Shared::new(ours.receive);
    let reader = shared.clone();
    let waiting =
        Task::start(async move { poll_fn(|cx| reader.with(|half| half.poll_read(cx))).await });
    moment().await;
    shared.with(|half| half.cancel_read(77));
    let read = within("a pending read", waiting.join()).await??;
    expect_error(read, &reset_here(77), "a pending read that was cancelled")?;
    let stopped = within("stopped", theirs.send.stopped()).await??;
    expect_equal(stopped, Some(77), "the code that the peer was stopped with")?;
    shared.with(|half| half.cancel_read(78));
    let read = poll_fn(|cx| shared.with(|half| half.poll_read(cx)));
    expect_error(within("a later read", read).await?, &reset_here(77), "a later read")?;

    let (mut theirs, mut ours) = exchange(&peer, &conn).await?;
    within("close", theirs.send.close()).await??;
    expect_all(&mut *ours.receive, b"").await?;
    ours.receive.cancel_read(79);
    let read = within("a read after the end", ours.receive.read()).await??;
    expect_equal(read, None, "a read after the end and a cancel")?;
    let stopped = within("stopped", theirs.send.stopped()).await??;
    expect_equal(stopped, None, "the code of a stream that ended before its cancel")?;

    // Dropped unread is as cancelled with 0.
    let (mut theirs, ours) = exchange(&peer, &conn).await?;
    drop(ours.receive);
    let stopped = within("stopped", theirs.send.stopped()).await??;
    expect_equal(stopped, Some(0), "the code of a half that was dropped unread")?;
    drop(place);
    Ok(())
}

pub(super) async fn cancelled_writes(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (ours, mut theirs) = exchange(&conn, &peer).await?;
    let shared: Shared<BoxSend> = Shared::new(ours.send);
    let writer = shared.clone();
    let waiting = Task::start(async move {
        let mut data = Bytes::from(vec![b'w'; 4 * MIB]);
        loop {
            if let Err(error) =
                poll_fn(|cx| writer.with(|half| half.poll_write_bytes(cx, &mut data))).await
            {
                return error;
            }
        }
    });
    moment().await;
    expect(!waiting.is_finished(), || "a write of 4 MiB did not wait with nobody reading")?;
    shared.with(|half| half.cancel_write(55));
    let error = within("a pending write", waiting.join()).await??;
    expect_error::<()>(Err(error), &reset_here(55), "a pending write that was cancelled")?;
    shared.with(|half| half.cancel_write(56));
    let write = poll_fn(|cx| shared.with(|half| half.poll_write(cx, b"x")));
    expect_error(within("a later write", write).await?, &reset_here(55), "a later write")?;
    expect_reset(&mut theirs.receive, 55).await?;

    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    within("write", ours.send.write_all(b"whole")).await??;
    within("close", ours.send.close()).await??;
    ours.send.cancel_write(57);
    expect_all(&mut *theirs.receive, b"whole").await?;

    // Dropped unclosed is as cancelled with 0: what was cut short never looks whole.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    within("write", ours.send.write_all(b"half")).await??;
    drop(ours.send);
    expect_reset(&mut theirs.receive, 0).await?;
    drop(place);
    Ok(())
}

/// Reads until the reset, which may overtake data.
async fn expect_reset(receive: &mut BoxReceive, code: u64) -> Verdict {
    let error = loop {
        match within("a read before a reset", receive.read()).await? {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Failure::broken("a stream that was broken off ended well")),
            Err(error) => break error,
        }
    };
    expect_error::<()>(Err(error), &reset_by_peer(code), "a read after the reset")?;
    Ok(())
}

pub(super) async fn stopped_writes(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (ours, mut theirs) = exchange(&conn, &peer).await?;
    let shared: Shared<BoxSend> = Shared::new(ours.send);
    let writer = shared.clone();
    let waiting = Task::start(async move {
        let mut data = Bytes::from(vec![b'w'; 4 * MIB]);
        loop {
            if let Err(error) =
                poll_fn(|cx| writer.with(|half| half.poll_write_bytes(cx, &mut data))).await
            {
                return error;
            }
        }
    });
    moment().await;
    theirs.receive.cancel_read(99);
    let kind = ErrorKind::StreamStopped { code: 99 };
    let error = within("a pending write", waiting.join()).await??;
    expect_error::<()>(Err(error), &kind, "a pending write of a stopped stream")?;
    let write = poll_fn(|cx| shared.with(|half| half.poll_write(cx, b"x")));
    expect_error(within("a later write", write).await?, &kind, "a later write")?;
    let stopped = poll_fn(|cx| shared.with(|half| half.poll_stopped(cx)));
    expect_equal(within("stopped", stopped).await??, Some(99), "the code of `stopped`")?;

    // With nothing being written, `stopped` tells alone; then a write does.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    let stopping = Task::start(async move {
        let stopped = ours.send.stopped().await;
        (ours, stopped)
    });
    moment().await;
    expect(!stopping.is_finished(), || "`stopped` resolved before anybody stopped")?;
    theirs.receive.cancel_read(98);
    let (mut ours, stopped) = within("stopped", stopping.join()).await??;
    expect_equal(stopped?, Some(98), "the code of `stopped`")?;
    let write = within("a write", ours.send.write(b"x")).await?;
    expect_error(write, &ErrorKind::StreamStopped { code: 98 }, "a write after `stopped`")?;

    // A stream that ends well and is read to its end stops with nothing.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    within("close", ours.send.close()).await??;
    expect_all(&mut *theirs.receive, b"").await?;
    let stopped = within("stopped", ours.send.stopped()).await??;
    expect_equal(stopped, None, "`stopped` of a stream that ended well")?;
    drop(place);
    Ok(())
}

pub(super) async fn halves(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    // Ours is broken off, theirs goes on.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    ours.send.cancel_write(1);
    within("write", theirs.send.write_all(b"on")).await??;
    within("close", theirs.send.close()).await??;
    expect_all(&mut *ours.receive, b"on").await?;
    expect_reset(&mut theirs.receive, 1).await?;

    // Theirs is stopped, ours goes on; and ends, with theirs still there.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    ours.receive.cancel_read(2);
    within("write", ours.send.write_all(b"on")).await??;
    expect_read(&mut *theirs.receive, b"on", "data beside a stopped half").await?;
    within("close", ours.send.close()).await??;
    expect_all(&mut *theirs.receive, b"").await?;

    // One half is dropped, the other lives on.
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    within("close", ours.send.close()).await??;
    drop(ours.send);
    expect_all(&mut *theirs.receive, b"").await?;
    drop(theirs.receive);
    within("write", theirs.send.write_all(b"alone")).await??;
    within("close", theirs.send.close()).await??;
    expect_all(&mut *ours.receive, b"alone").await?;
    drop(place);
    Ok(())
}
