//! S24: priorities.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dipole_net::{ReceiveStreamExt, SendStreamExt};

use super::setup::{Pair, Terms, capabilities, under};
use super::traffic::{KIB, MIB, exchange, moment};
use crate::Case;
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect};
use crate::waiting::{Task, within};

pub(super) const CASES: &[Case] = &[Case {
    id: "S24",
    sentence: "priorities: with one congested connection a higher-priority stream finishes first \
               (where declared)",
    run: |subject| under(subject, congested, the_higher_one_is_first),
}];

/// All is queued at once; the peer takes little at a time.
fn congested() -> Terms {
    let mut terms = Terms::default();
    terms.conn.send_window = 16 * MIB as u32;
    terms.peer.stream_window = 4 * MIB as u32;
    terms.peer.connection_window = 64 * KIB as u32;
    terms
}

async fn the_higher_one_is_first(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    if !capabilities(&place.subject).priorities {
        return Err(Failure::not_applicable("priorities"));
    }
    let data = random_bytes(24, MIB);
    let (mut low, low_theirs) = exchange(&conn, &peer).await?;
    let (mut high, high_theirs) = exchange(&conn, &peer).await?;
    low.send.set_priority(-1);
    high.send.set_priority(1);
    // The lower one has the start; each is written as far as the library takes it.
    let write = |mut stream: dipole_net::Stream| {
        let data = data.clone();
        Task::start(async move {
            stream.send.write_all_bytes(data).await?;
            stream.send.close().await?;
            Ok::<_, dipole_net::Error>(stream)
        })
    };
    let low = write(low);
    moment().await;
    let high = write(high);
    moment().await;
    let clock = Arc::new(AtomicU64::new(0));
    let read = |mut stream: dipole_net::Stream| {
        let clock = Arc::clone(&clock);
        Task::start(async move {
            while stream.receive.read().await?.is_some() {}
            Ok::<_, dipole_net::Error>(clock.fetch_add(1, Ordering::Relaxed))
        })
    };
    let (low_read, high_read) = (read(low_theirs), read(high_theirs));
    let high_place = within("the higher one", high_read.join()).await???;
    let low_place = within("the lower one", low_read.join()).await???;
    expect(high_place < low_place, || "the stream of the lower priority was first")?;
    for writer in [low, high] {
        writer.join().await??;
    }
    drop(place);
    Ok(())
}
