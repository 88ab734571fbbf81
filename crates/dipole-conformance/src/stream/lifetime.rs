//! S34: what is left.

use std::sync::Arc;
use std::time::Duration;

use dipole_net::{ErrorKind, Initiator};

use super::setup::{Place, Terms};
use super::traffic::{application, exchange, moment};
use crate::pair::{End, once};
use crate::process::{live_tasks, open_descriptors, settled};
use crate::verdict::{Verdict, expect, expect_error};
use crate::waiting::{Task, still_waits, within};
use crate::{Case, Subject};

pub(super) const CASES: &[Case] = &[Case {
    id: "S34",
    sentence: "dropping every handle closes the connection and leaves no task",
    run: |subject| once(subject, nothing_is_left),
}];

async fn nothing_is_left(subject: Arc<Subject>) -> Verdict {
    let tasks = live_tasks();
    let descriptors = open_descriptors();
    for end in [End::Dialed, End::Accepted] {
        let mut place = Place::new(&subject, end, &Terms::default(), None).await?;
        let (conn, peer) = place.connect().await?;
        let streams = exchange(&conn, &peer).await?;
        let waiting = Arc::clone(&peer);
        let mut closed = Box::pin(async move { waiting.closed().await });
        // A stream is a handle too.
        let (ours, theirs) = streams;
        drop(conn);
        still_waits("closed, a stream being there", Duration::from_millis(60), closed.as_mut())
            .await?;
        drop(ours);
        let error = within("closed", closed).await?;
        let kind: ErrorKind = application(0, b"", Initiator::Peer);
        expect_error::<()>(Err(error), &kind, "a connection whose handles were dropped")?;
        drop((theirs, peer));

        // Some end with everything pending.
        let (conn, peer) = place.connect().await?;
        let pending = Task::start(async move {
            let streams = exchange(&conn, &peer).await;
            let accepted = conn.accept_stream().await;
            drop((streams, accepted, peer));
        });
        moment().await;
        drop(pending);
        drop(place);
    }
    let left = settled(tasks, || Some(live_tasks())).await.unwrap_or(tasks);
    expect(left <= tasks, || format!("{left} tasks, {tasks} before"))?;
    if let Some(before) = descriptors {
        let left = settled(before, open_descriptors).await.unwrap_or(before);
        expect(left <= before, || format!("{left} descriptors, {before} before"))?;
    }
    Ok(())
}
