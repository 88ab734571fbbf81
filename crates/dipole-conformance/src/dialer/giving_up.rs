//! D2, D3: dials that are given up leave nothing behind.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{Addr, ErrorKind, ListenOptions};
use tokio::time::timeout;

use super::footprint::{Footprint, KEPT, accept_the_kept};
use crate::Subject;
use crate::line::{Line, try_dial_line};
use crate::pair::{Rendezvous, first_address};
use crate::stopwatch::Stopwatch;
use crate::verdict::{Verdict, expect_equal, expect_error};
use crate::waiting::{expect_no_later, give_up, within};

const DIALS: usize = 100;

/// D2.
pub(super) async fn short_timeouts(subject: Arc<Subject>) -> Verdict {
    let mut place = Rendezvous::new(&subject).await?;
    let footprint = Footprint::of(&mut place).await?;
    let mut kept = Vec::new();
    for _ in 0..DIALS {
        if let Some(mut conn) = short_dial(&subject, &place.address).await? {
            conn.say(KEPT).await?;
            kept.push(conn);
        }
    }
    let accepted = accept_the_kept(&mut place).await?;
    expect_equal(accepted, kept.len(), "the number of connections accepted")?;
    drop(kept);
    footprint.expect_no_more("after the dials").await?;

    let Some(crowded) = crowded(&subject)? else {
        return Ok(());
    };
    let footprint = Footprint::of(&mut place).await?;
    for _ in 0..DIALS {
        drop(short_dial(&subject, &crowded.address).await?);
    }
    footprint.expect_no_more("after dials of a crowded listener").await
}

/// A connection, or `None` when the timeout came first.
async fn short_dial(subject: &Subject, address: &Addr) -> Verdict<Option<Line>> {
    const TIMEOUT: Duration = Duration::from_millis(1);
    let watch = Stopwatch::start();
    let dial = try_dial_line(subject, address, Some(TIMEOUT));
    let dialled = within("a dial with a timeout of 1 ms", dial).await?;
    expect_no_later("a dial with a timeout of 1 ms", TIMEOUT, watch.took())?;
    match dialled {
        Ok(conn) => Ok(Some(conn)),
        failed => expect_error(failed, &ErrorKind::TimedOut, "the dial").map(|_| None),
    }
}

/// D3.
pub(super) async fn dropped_dials(subject: Arc<Subject>) -> Verdict {
    let mut place = Rendezvous::new(&subject).await?;
    let footprint = Footprint::of(&mut place).await?;
    for attempt in 0..DIALS {
        let dial = try_dial_line(&subject, &place.address, None);
        match attempt % 10 {
            polls @ 0..5 => drop(give_up(polls, dial).await),
            // At some moment of its course, where it waits for time to pass.
            moment => drop(timeout(Duration::from_millis(moment as u64), dial).await),
        }
    }
    accept_the_kept(&mut place).await?;
    footprint.expect_no_more("after the dials").await?;

    let Some(crowded) = crowded(&subject)? else {
        return Ok(());
    };
    let footprint = Footprint::of(&mut place).await?;
    for polls in 0..DIALS {
        let dial = try_dial_line(&subject, &crowded.address, None);
        drop(give_up(polls % 5, dial).await);
    }
    footprint.expect_no_more("after dials of a crowded listener").await
}

/// A listener whose queue is short and never emptied, so that dials wait: TCP on Linux does so.
/// `None` elsewhere, where such a dial may fail instead.
fn crowded(subject: &Arc<Subject>) -> Verdict<Option<Rendezvous>> {
    let address = first_address(subject)?;
    let capabilities = subject.transport.capabilities();
    let waits = cfg!(target_os = "linux") && capabilities.uses_descriptors;
    if !waits || address.ip().is_none() {
        return Ok(None);
    }
    let mut options = ListenOptions::default();
    options.backlog = 1;
    let mut listeners = subject.transport.listen(&address, &options)?;
    let listener = listeners.remove(0);
    let address = listener.local_addr();
    Ok(Some(Rendezvous { subject: Arc::clone(subject), listener, address }))
}
