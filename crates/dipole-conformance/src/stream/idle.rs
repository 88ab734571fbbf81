//! S26, S27: idle connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dipole_net::ReceiveStreamExt;
use tokio::time::sleep;

use super::accept::Waits;
use super::setup::{Pair, Terms, both_ends, under};
use super::traffic::{KIB, MIB, exchange};
use crate::verdict::{Failure, Verdict, expect};
use crate::waiting::{Task, within};
use crate::{Case, Roughness};

pub(super) const CASES: &[Case] = &[
    Case {
        id: "S26",
        sentence: "idle timeout: read, write, open, open_uni, accept, accept_uni all fail with \
                   is_timeout()",
        run: |subject| {
            Box::pin(async move {
                // A path that is cut: what waits for credit may ask for it as often as it likes.
                let (terms, rough) = (idle(), Some(Roughness::NONE));
                both_ends(&subject, &terms, rough, everything_times_out).await.into()
            })
        },
    },
    Case {
        id: "S27",
        sentence: "keep-alive prevents it",
        run: |subject| under(subject, kept_alive, keep_alive_prevents_it),
    },
];

const IDLE: Duration = Duration::from_millis(400);

fn idle() -> Terms {
    Terms::both(|options| {
        options.streams = 1;
        options.uni_streams = 1;
        options.stream_window = 32 * KIB as u32;
        options.send_window = 64 * KIB as u32;
        options.idle_timeout = Some(IDLE);
    })
}

async fn everything_times_out(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    let (mut ours, theirs) = exchange(&conn, &peer).await?;
    let uni = conn.open_uni_stream()?;
    let mut waiting = Vec::new();
    for what in Waits::ALL {
        let conn = Arc::clone(&conn);
        let wait = Task::start(async move { what.wait(&*conn).await });
        waiting.push((format!("{what:?}"), wait));
    }
    let read = Task::start(async move { ours.receive.read().await.map(drop) });
    waiting.push(("Read".into(), read));
    let write = Task::start(async move {
        let mut data = Bytes::from(vec![0; 4 * MIB]);
        loop {
            poll_fn(|cx| ours.send.poll_write_bytes(cx, &mut data)).await?;
        }
    });
    waiting.push(("Write".into(), write));
    if let Some(relay) = &place.relay {
        relay.set(Roughness::CUT);
    }
    for (what, task) in waiting {
        match within(format!("{what} past the idle timeout"), task.join()).await?? {
            Err(error) if error.is_timeout() => {}
            other => {
                let text = format!("{what} gave {other:?}, expected a timeout");
                return Err(Failure::broken(text));
            }
        }
    }
    let closed = within("closed", conn.closed()).await?;
    expect(closed.is_timeout(), || format!("closed gave {closed:?}, expected a timeout"))?;
    drop((uni, theirs, place));
    Ok(())
}

fn kept_alive() -> Terms {
    let mut terms = Terms::default();
    terms.conn.idle_timeout = Some(IDLE);
    terms.peer.idle_timeout = Some(IDLE);
    terms.conn.keep_alive = Some(IDLE / 4);
    terms
}

async fn keep_alive_prevents_it(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    exchange(&conn, &peer).await?;
    sleep(IDLE * 4).await;
    exchange(&conn, &peer).await?;
    exchange(&peer, &conn).await?;
    drop(place);
    Ok(())
}
