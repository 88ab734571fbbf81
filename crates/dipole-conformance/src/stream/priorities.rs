//! S24: priorities.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dipole_net::{ReceiveStreamExt, SendStreamExt};

use super::setup::{Pair, Terms, both_ends, capabilities};
use super::traffic::{MIB, exchange, moment};
use crate::random::random_bytes;
use crate::verdict::{Failure, Verdict, expect};
use crate::waiting::{Task, within};
use crate::{Case, Roughness};

pub(super) const CASES: &[Case] = &[Case {
    id: "S24",
    sentence: "priorities: with one congested connection a higher-priority stream finishes first \
               (where declared)",
    run: |subject| {
        Box::pin(async move {
            let mut far = Roughness::NONE;
            far.delay = Duration::from_millis(40);
            both_ends(&subject, &congested(), Some(far), the_higher_one_is_first).await.into()
        })
    },
}];

/// All is queued at once, and the peer takes all; it is the path that takes little at a time.
fn congested() -> Terms {
    let mut terms = Terms::default();
    terms.conn.send_window = 16 * MIB as u32;
    terms.peer.stream_window = 4 * MIB as u32;
    terms.peer.connection_window = 16 * MIB as u32;
    terms
}

async fn the_higher_one_is_first(Pair { conn, peer, place, .. }: Pair) -> Verdict {
    if !capabilities(&place.subject).priorities {
        return Err(Failure::not_applicable("priorities"));
    }
    // Without priorities the lower one, being shorter and earlier, would be first.
    let (short, long) = (random_bytes(24, MIB / 2), random_bytes(25, MIB));
    let (mut low, low_theirs) = exchange(&conn, &peer).await?;
    let (mut high, high_theirs) = exchange(&conn, &peer).await?;
    low.send.set_priority(-1);
    high.send.set_priority(1);
    // Each is written as far as the library takes it.
    let write = |mut stream: dipole_net::Stream, data| {
        Task::start(async move {
            stream.send.write_all_bytes(data).await?;
            stream.send.close().await?;
            Ok::<_, dipole_net::Error>(stream)
        })
    };
    let low = write(low, short);
    moment().await;
    let high = write(high, long);
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
