//! What a given-up dial must not leave behind: descriptors, tasks, live connections.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Incoming, Result};
use tokio::time::timeout;

use crate::line::{Heard, Line, dial_line, is_gone};
use crate::pair::Rendezvous;
use crate::process::{live_tasks, open_descriptors, settled};
use crate::verdict::{Failure, Verdict, expect};
use crate::waiting::{Task, within};

/// How long a connection that nobody holds any more may take to show its end.
const GONE_SOON: Duration = Duration::from_secs(2);
/// How long the listener may be silent before it has nothing more to give.
const SILENCE: Duration = Duration::from_millis(50);

/// Sent by dials that were kept.
pub(super) const KEPT: &[u8] = b"k";
/// Sent by the last dial of all.
const LAST: &[u8] = b"l";

/// What this process holds, to be compared with later.
pub(super) struct Footprint {
    descriptors: Option<usize>,
    tasks: usize,
}

impl Footprint {
    /// Of now, after one connection has come and gone: what a library makes once and keeps, such
    /// as a ring or a pool, does not count.
    pub(super) async fn of(place: &mut Rendezvous) -> Verdict<Self> {
        drop(place.connect_line().await?);
        Ok(Self { descriptors: open_descriptors(), tasks: live_tasks() })
    }

    /// Fails when there is more now than there was.
    pub(super) async fn expect_no_more(self, after: &str) -> Verdict {
        if let Some(before) = self.descriptors
            && let Some(seen) = settled(before, open_descriptors).await
        {
            expect(seen <= before, || format!("{after}: {seen} descriptors, before {before}"))?;
        }
        let before = self.tasks;
        let seen = settled(before, || Some(live_tasks())).await.unwrap_or_default();
        expect(seen <= before, || format!("{after}: {seen} tasks, before {before}"))
    }
}

/// Accepts everything that was dialled, and gives how many connections were kept; fails when one
/// that was not kept still lives.
pub(super) async fn accept_the_kept(place: &mut Rendezvous) -> Verdict<usize> {
    // A library may need the accepting end's help to dial.
    let (subject, address) = (Arc::clone(&place.subject), place.address.clone());
    let last = Task::start(async move {
        let mut last = dial_line(&subject, &address).await?;
        last.say(LAST).await?;
        Verdict::Ok(last)
    });
    let (mut kept, mut seen_last) = (0, false);
    loop {
        let next = poll_fn(|cx| place.listener.poll_accept(cx));
        let incoming = match timeout(SILENCE, next).await {
            Ok(incoming) => incoming,
            Err(_) if seen_last => {
                last.join().await??;
                return Ok(kept);
            }
            Err(_) if !last.is_finished() => continue,
            Err(_) => return Err(Failure::broken("the last of the dials was never accepted")),
        };
        match found(incoming).await? {
            Found::Gone => {}
            Found::Sent(bytes) if bytes == KEPT => kept += 1,
            Found::Sent(bytes) if bytes == LAST && !seen_last => seen_last = true,
            Found::Sent(bytes) => {
                return Err(Failure::broken(format_args!("a dial sent {bytes:02x?} by itself")));
            }
        }
    }
}

/// What the listener sees of one dial.
enum Found {
    /// Nothing but its end.
    Gone,
    /// A connection with its first byte.
    Sent(Vec<u8>),
}

async fn found(incoming: Result<Incoming>) -> Verdict<Found> {
    let connection = match incoming {
        Ok(incoming) => within("the handshake", incoming.accept()).await?,
        Err(error) => Err(error),
    };
    let mut line = match connection.map(Line::from) {
        Ok(line) => line,
        Err(error) if is_gone(&error) => return Ok(Found::Gone),
        // A handshake whose other end is gone may only see that nothing comes.
        Err(error) if error.is_timeout() => return Ok(Found::Gone),
        Err(error) => return Err(error.into()),
    };
    match line.hear(1, GONE_SOON).await? {
        Heard::Bytes(bytes) => Ok(Found::Sent(bytes)),
        Heard::Gone => Ok(Found::Gone),
        Heard::Nothing => {
            Err(Failure::broken("a dial that was given up left a connection that lives"))
        }
    }
}
