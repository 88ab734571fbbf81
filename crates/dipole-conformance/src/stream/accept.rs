//! S7 to S9: accepting streams.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use dipole_net::{Error, Initiator, ReceiveStreamExt, Result, SendStreamExt};

use super::setup::{Pair, Terms, on_both_ends, under};
use super::traffic::{
    WHILE, application, exchange, expect_all, expect_read, moment, reset_by_peer,
};
use crate::Case;
use crate::verdict::{Verdict, expect, expect_equal, expect_error};
use crate::waiting::{Task, give_up, still_waits, within};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S7",
        sentence: "accept_stream shows a stream only after data, FIN or RESET on it; a stream \
                   finished early is still delivered once",
        run: |subject| on_both_ends(subject, shown_when_something_comes),
    },
    Case {
        id: "S8",
        sentence: "dropping a pending accept loses no stream",
        run: |subject| on_both_ends(subject, dropped_accepts_lose_nothing),
    },
    Case {
        id: "S9",
        sentence: "closing the connection unblocks every pending open and accept with the \
                   connection's error",
        run: |subject| under(subject, one_stream, closing_unblocks),
    },
];

async fn shown_when_something_comes(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let mut first = peer.open_stream()?;
    let mut second = peer.open_stream()?;
    let mut third = peer.open_stream()?;
    within("write", third.send.write_all(b"three")).await??;
    let mut accepted = within("accept_stream", conn.accept_stream()).await??;
    expect_equal(accepted.receive.id(), third.send.id(), "the stream with data")?;
    expect_read(&mut *accepted.receive, b"three", "its data").await?;
    // Streams of lower numbers are open by now, and nothing has come on them.
    still_waits("accept_stream", WHILE, pin!(conn.accept_stream())).await?;

    first.send.cancel_write(7);
    let mut accepted = within("accept_stream of a reset", conn.accept_stream()).await??;
    expect_equal(accepted.receive.id(), first.send.id(), "the stream with a reset")?;
    let read = within("a reset", accepted.receive.read()).await?;
    expect_error(read, &reset_by_peer(7), "reading a stream that was reset early")?;

    within("close", second.send.close()).await??;
    let mut accepted = within("accept_stream of an end", conn.accept_stream()).await??;
    expect_equal(accepted.receive.id(), second.send.id(), "the stream with an end")?;
    expect_all(&mut *accepted.receive, b"").await?;

    let mut early = peer.open_uni_stream()?;
    within("write", early.write_all(b"early")).await??;
    within("close", early.close()).await??;
    drop(early);
    moment().await;
    let mut accepted = within("accept_uni_stream", conn.accept_uni_stream()).await??;
    expect_all(&mut *accepted, b"early").await?;
    still_waits("accept_uni_stream", WHILE, pin!(conn.accept_uni_stream())).await?;
    drop((third, place));
    Ok(())
}

async fn dropped_accepts_lose_nothing(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    const STREAMS: u64 = 80;
    let opener = Arc::clone(&peer);
    let opening = Task::start(async move {
        let mut opened = Vec::new();
        for _ in 0..STREAMS {
            let mut stream = opener.open_stream_sync().await?;
            stream.send.write_all(&stream.send.id().to_le_bytes()).await?;
            stream.send.close().await?;
            opened.push(stream);
        }
        Ok::<_, Error>(opened)
    });
    let mut seen = BTreeSet::new();
    let mut dropped = 0;
    while seen.len() < STREAMS as usize {
        let mut stream = match give_up(1, conn.accept_stream()).await {
            Some(stream) => stream?,
            // Now and then one is awaited, so that a library that loses all of them ends too.
            None if dropped % 50 == 49 => {
                dropped += 1;
                within("accept_stream", conn.accept_stream()).await??
            }
            None => {
                dropped += 1;
                tokio::task::yield_now().await;
                continue;
            }
        };
        let id = stream.receive.id();
        expect(seen.insert(id), || format!("stream {id} was given twice"))?;
        expect_all(&mut *stream.receive, &id.to_le_bytes()).await?;
    }
    let opened = opening.join().await??;
    expect_equal(opened.len() as u64, STREAMS, "the streams that were opened")?;
    drop(place);
    Ok(())
}

fn one_stream() -> Terms {
    Terms::both(|options| {
        options.streams = 1;
        options.uni_streams = 1;
    })
}

async fn closing_unblocks(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let streams = exchange(&conn, &peer).await?;
    let uni = conn.open_uni_stream()?;
    let waits = |what: Waits| {
        let conn = Arc::clone(&conn);
        (what, Task::start(async move { what.wait(&*conn).await }))
    };
    let waiting: Vec<_> = Waits::ALL.into_iter().map(waits).collect();
    moment().await;
    for (what, task) in &waiting {
        expect(!task.is_finished(), || format!("{what:?} did not wait"))?;
    }
    peer.close_with_error(42, b"enough");
    for (what, task) in waiting {
        let result = within(format!("{what:?} after a close"), task.join()).await??;
        let kind = match result.as_ref().map_err(Error::kind) {
            // A library that cannot send reasons gives an empty one.
            Err(kind) if *kind == application(42, b"", Initiator::Peer) => kind.clone(),
            _ => application(42, b"enough", Initiator::Peer),
        };
        expect_error(result, &kind, format!("{what:?} after the peer's close"))?;
        // Again each time, also when it is asked for only then.
        let again = within(format!("{what:?} again"), what.wait(&*conn)).await?;
        expect_error(again, &kind, format!("{what:?} again"))?;
    }
    drop((streams, uni, place));
    Ok(())
}

/// The calls of a connection that wait.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waits {
    Accept,
    AcceptUni,
    Open,
    OpenUni,
}

impl Waits {
    pub(super) const ALL: [Self; 4] = [Self::Accept, Self::AcceptUni, Self::Open, Self::OpenUni];

    pub(super) async fn wait(self, conn: &dyn dipole_net::StreamConn) -> Result<()> {
        match self {
            Self::Accept => conn.accept_stream().await.map(drop),
            Self::AcceptUni => conn.accept_uni_stream().await.map(drop),
            Self::Open => conn.open_stream_sync().await.map(drop),
            Self::OpenUni => conn.open_uni_stream_sync().await.map(drop),
        }
    }
}
