//! S25: closing the connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::{Error, ErrorKind, Initiator, ReceiveStreamExt, SendStreamExt};

use super::accept::Waits;
use super::setup::{Handle, Pair, Terms, both_ends};
use super::traffic::{KIB, MIB, application, exchange, moment};
use crate::verdict::{Verdict, expect, expect_error, expect_error_of};
use crate::waiting::{Task, within};
use crate::{Case, Roughness};

pub(super) const CASES: &[Case] = &[Case {
    id: "S25",
    sentence: "close_with_error(code, reason): both sides see Application{code, reason, by}; the \
               first wins; everything pending unblocks",
    run: |subject| {
        Box::pin(async move {
            let first = both_ends(&subject, &one_stream(), None, both_see_the_first_close).await;
            match first {
                Ok(()) => both_ends(&subject, &Terms::default(), Some(FAR), amid_a_transfer).await,
                failed => failed,
            }
            .into()
        })
    },
}];

/// So far that a transfer has to wait for what it has sent.
const FAR: Roughness = Roughness { delay: Duration::from_millis(25), ..Roughness::NONE };

fn one_stream() -> Terms {
    Terms::both(|options| {
        options.streams = 1;
        options.uni_streams = 1;
        options.stream_window = 32 * KIB as u32;
        options.send_window = 64 * KIB as u32;
    })
}

async fn both_see_the_first_close(Pair { conn, peer, mut place, .. }: Pair) -> Verdict {
    let (mut ours, mut theirs) = exchange(&conn, &peer).await?;
    let uni_streams = (conn.open_uni_stream()?, peer.open_uni_stream()?);
    let theirs_too = peer.open_stream()?;

    let mut waiting = Vec::new();
    for end in [&conn, &peer] {
        for what in Waits::ALL {
            let end = Arc::clone(end);
            waiting.push(Task::start(async move { what.wait(&*end).await }));
        }
        let end = Arc::clone(end);
        waiting.push(Task::start(async move { Err(end.closed().await) }));
    }
    let begun = waiting.len() / 2;
    let read = Task::start(async move { ours.receive.read().await.map(drop) });
    let write = Task::start(async move {
        let mut data = Bytes::from(vec![0; 4 * MIB]);
        loop {
            poll_fn(|cx| ours.send.poll_write_bytes(cx, &mut data)).await?;
        }
    });
    let mut send = theirs.send;
    let stopped = Task::start(async move { send.stopped().await.map(drop) });
    moment().await;

    conn.close_with_error(0x1000, b"first");
    conn.close_with_error(0x2000, b"second");
    let here = application(0x1000, b"first", Initiator::Local);
    let there = [
        application(0x1000, b"first", Initiator::Peer),
        // Of a library that cannot send reasons.
        application(0x1000, b"", Initiator::Peer),
    ];
    for (number, task) in waiting.into_iter().enumerate() {
        let result: Result<(), Error> = within("what was pending", task.join()).await??;
        match number < begun {
            true => drop(expect_error(result, &here, "what waited at the closing end")?),
            false => drop(expect_error_of(result, &there, "what waited at the other end")?),
        }
    }
    expect_error(within("a read", read.join()).await??, &here, "a read at the closing end")?;
    let write: Result<(), Error> = within("a write", write.join()).await??;
    expect_error(write, &here, "a write at the closing end")?;
    let stopped = within("stopped", stopped.join()).await??;
    expect_error_of(stopped, &there, "`stopped` at the other end")?;

    // Too late: the first one counts, at both ends.
    peer.close_with_error(0x3000, b"third");
    expect_error::<()>(Err(within("closed", conn.closed()).await?), &here, "closed")?;
    expect_error_of::<()>(Err(within("closed", peer.closed()).await?), &there, "closed")?;
    expect_error(conn.open_stream(), &here, "open_stream afterwards")?;
    expect_error_of(peer.open_uni_stream(), &there, "open_uni_stream afterwards")?;
    let read = within("a read afterwards", theirs.receive.read_to_end(MIB)).await?;
    expect_error_of(read, &there, "a read afterwards")?;
    drop((uni_streams, theirs_too));

    both_at_once(place.connect().await?).await
}

/// The other end hears of it at once, however much waits to be sent.
async fn amid_a_transfer(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (mut ours, theirs) = exchange(&conn, &peer).await?;
    let writing = Task::start(async move {
        let data = vec![0; MIB];
        while ours.send.write_all(&data).await.is_ok() {}
    });
    moment().await;
    conn.close_with_error(0x1000, b"amid");
    let there =
        [application(0x1000, b"amid", Initiator::Peer), application(0x1000, b"", Initiator::Peer)];
    let closed = within("closed amid a transfer", peer.closed()).await?;
    expect_error_of::<()>(Err(closed), &there, "closed amid a transfer")?;
    within("the transfer's end", writing.join()).await??;
    drop((theirs, place));
    Ok(())
}

/// Each end keeps to one of the two closes, for good.
async fn both_at_once((conn, peer): (Handle, Handle)) -> Verdict {
    conn.close_with_error(1, b"");
    peer.close_with_error(2, b"");
    for (end, own, other) in [(&conn, 1, 2), (&peer, 2, 1)] {
        let first = within("closed", end.closed()).await?;
        let kind = |error: &Error| error.kind().clone();
        let possible: [ErrorKind; 2] =
            [application(own, b"", Initiator::Local), application(other, b"", Initiator::Peer)];
        expect(possible.contains(&kind(&first)), || format!("closed with {:?}", kind(&first)))?;
        moment().await;
        let again = within("closed", end.closed()).await?;
        expect(kind(&first) == kind(&again), || "the error of a connection has changed")?;
    }
    Ok(())
}
